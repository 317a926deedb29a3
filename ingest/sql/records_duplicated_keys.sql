-- One row at most: there may be a duplicate among the incoming rows (two keys hash alike) or with rows of a run that is known already.
select 1
from incoming($files)
group by hash(run_id, task, prompt_id, repetition)
having count(*) > 1
union all
select 1
from touched
join runs using (run_id)
limit 1
