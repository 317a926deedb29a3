-- One row: which checks of single rows are needed. A run is known when the warehouse or an earlier file of this ingest has it.
with known as (
    select run_id
    from runs
    union
    select run_id
    from touched
),
per_run as (
    select
        run_id,
        sum(problems) as problems,
        min(least_setup) <> max(largest_setup) as mixed,
        run_id in (select run_id from known) as is_known
    from surveyed
    group by run_id
)
select
    coalesce(sum(problems) > 0, false) as broken,
    coalesce(bool_or(mixed or is_known), false) as setups,
    coalesce(bool_or(is_known), false) as keys
from per_run
