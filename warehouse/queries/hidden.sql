-- One row per reason why prompts of the selected configurations are not shown: the most serious reason of each prompt, most prompts first.
-- Only runs whose totals say that something is hidden are read prompt by prompt: most have nothing to hide.
with named as (
    select
        case
            when requests.status = 'failed' then 'failed'
            when not $selection.only_valid then null
            when not requests.valid then requests.reasons[1]
            when not runs.valid then 'run: ' || runs.reasons[1]
        end as reason
    from requests
    join runs on runs.run_id = requests.run_id
    where is_kept(runs.model_id, runs.gpu, runs.task, runs.engine, runs.source, runs.batch_size, runs.weights, true, $selection)
        and (runs.failed > 0 or ($selection.only_valid and (runs.counted < runs.prompts or not runs.valid)))
)
select reason, count(*) as count
from named
where reason is not null
group by reason
order by count desc, reason
