-- One row per slice of the touched runs, about $rows rows each: its first and its last run. Exact percentiles keep every value in memory, so a slice at a
-- time; a slice is a range, so that DuckDB skips the rows of the others.
with sized as (
    select
        run_id,
        count(*) as rows
    from requests
    where run_id in (select run_id from touched)
    group by run_id
),
sliced as (
    select
        run_id,
        (sum(rows) over (order by run_id) - rows) // $rows as slice
    from sized
)
select
    min(run_id) as first_run,
    max(run_id) as last_run
from sliced
group by slice
order by slice
