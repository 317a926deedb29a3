-- What only a shared warehouse asks.

-- name: lake_replaced
-- One row per run with rows of a file that has other content now.
select distinct run_id
from requests
join ingested_files using (file_id)
where list_contains($paths, path)
union
select run_id
from run_notes
join ingested_files using (file_id)
where list_contains($paths, path)

-- name: lake_problems
-- One row per thing that is wrong with what a transaction is about to write to a lake: keys that a file would keep, sums that do not add up.
select 'files that share a number: ' || count(*) - count(distinct file_id) as problem
from ingested_files
having count(*) > count(distinct file_id)
union all
select 'files that were loaded twice: ' || count(*) - count(distinct sha256)
from ingested_files
having count(*) > count(distinct sha256)
union all
select 'models that are there twice: ' || count(*) - count(distinct model_id)
from models
having count(*) > count(distinct model_id)
union all
select 'runs that are there twice: ' || count(*) - count(distinct run_id)
from runs
having count(*) > count(distinct run_id)
union all
select 'runs that share a number: ' || count(*) - count(distinct run_number)
from runs
having count(*) > count(distinct run_number)
union all
select 'runs whose rows are not all there: ' || count(*)
from runs
left join (
    select
        run_id,
        count(*) as rows
    from requests
    where list_contains($touched, run_id)
    group by run_id
) as stored using (run_id)
where list_contains($touched, run_id)
    and prompts is distinct from rows
having count(*) > 0
union all
select 'rows of prompts with the number of another run: ' || count(*)
from requests
join runs using (run_id)
where list_contains($touched, run_id)
    and requests.run_number <> runs.run_number
having count(*) > 0
