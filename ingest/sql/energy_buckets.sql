-- One row per touched run from $first to $last, verdict of its prompts and bucket of energy: the prompts in it that did not fail, and what they sum up to.
insert into energy_buckets by name
select
    run_id,
    any_value(run_number) as run_number,
    valid,
    energy_bucket as bucket,
    count(*) as prompts,
    sum(energy_j) as energy_j,
    min(energy_j) as minimum_j,
    max(energy_j) as maximum_j
from requests
where status = 'ok'
    and run_id between $first and $last
    and run_id in (select run_id from touched)
group by
    run_id,
    valid,
    energy_bucket
order by
    run_number,
    valid,
    bucket
