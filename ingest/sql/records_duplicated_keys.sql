-- One row at most: there may be a duplicate among the incoming rows (two keys hash alike).
select 1
from incoming($files)
group by hash(run_id, task, prompt_id, repetition)
having count(*) > 1
limit 1
