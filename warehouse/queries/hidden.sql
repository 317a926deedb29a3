-- One row per reason why prompts of the selected configurations are not shown: the most serious reason of each prompt, most prompts first.
-- Only runs whose totals say that something is hidden are read prompt by prompt: most have nothing to hide.
with places as (
    select
        run_id,
        valid,
        reasons
    from runs
    where is_kept(model_id, gpu, task, engine, source, batch_size, weights, true, $selection)
        and (failed > 0 or ($selection.only_valid and (counted < prompts or not valid)))
),
candidates as (
    select
        requests.status,
        requests.valid as row_valid,
        requests.reasons as row_reasons,
        places.valid as run_valid,
        places.reasons as run_reasons
    from requests
    join places on places.run_id = requests.run_id
),
named as (
    select
        case
            when status = 'failed' then 'failed'
            when not $selection.only_valid then null
            when not row_valid then row_reasons[1]
            when not run_valid then 'run: ' || run_reasons[1]
        end as reason
    from candidates
)
select
    reason,
    count(*) as count
from named
where reason is not null
group by reason
order by
    count desc,
    reason
