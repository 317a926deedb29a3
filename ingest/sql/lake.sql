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
select what || ': ' || surplus as problem
from (
    values
        ('files that share a number', (select count(*) - count(distinct file_id) from ingested_files)),
        ('files that were loaded twice', (select count(*) - count(distinct sha256) from ingested_files)),
        ('models that are there twice', (select count(*) - count(distinct model_id) from models)),
        ('runs that are there twice', (select count(*) - count(distinct run_id) from runs)),
        ('runs that share a number', (select count(*) - count(distinct run_number) from runs))
) as keys (what, surplus)
where surplus > 0
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
