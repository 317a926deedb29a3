-- One row per prompt answered in the selected runs of ours, with every per-prompt metric; by run and order.
select * exclude (run_number)
from selected_prompts(
    $models, $gpus, $tasks, $engines, $sources, $batch_sizes, $weights, $only_valid
)
order by
    run_id,
    sequence
