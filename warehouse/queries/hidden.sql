-- One row per reason why prompts of the selected configurations are not shown: the most serious reason of each prompt, most prompts first.
with candidates as (
    select
        requests.status,
        requests.valid as row_valid,
        requests.reasons as row_reasons,
        runs.valid as run_valid,
        runs.reasons as run_reasons
    from requests
    join runs on runs.run_id = requests.run_id
    where (len($models) = 0 or list_contains($models, runs.model_id))
        and (len($gpus) = 0 or list_contains($gpus, runs.gpu))
        and (len($tasks) = 0 or list_contains($tasks, runs.task))
        and (len($engines) = 0 or list_contains($engines, runs.engine))
        and (len($sources) = 0 or list_contains($sources, own_source()))
        and (len($batch_sizes) = 0 or list_contains($batch_sizes, runs.batch_size))
        and (len($weights) = 0 or list_contains($weights, runs.weights))
),
named as (
    select
        case
            when status = 'failed' then 'failed'
            when not $only_valid then null
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
