-- One row per prompt answered in the selected runs of ours, with every per-prompt metric; by run and order.
select * exclude (run_number)
from selected_prompts($selection)
order by run_id, sequence
