-- One row per value that a filter can take: how many configurations have it, most frequent first within its kind.
with choices as (
    select 'model' as kind, model_id as value, model_name as label from results
    union all
    select 'gpu', gpu_model, gpu_model from results
    union all
    select 'task', task, task from results
    union all
    select 'engine', engine, engine from results
    union all
    select 'source', source, source from results
    union all
    select 'batch', batch_size::varchar, batch_size::varchar from results where batch_size is not null
    union all
    select 'weights', weights, weights from results
)
select
    kind,
    value,
    label,
    count(*) as count
from choices
group by
    kind,
    value,
    label
order by
    kind,
    count desc,
    label,
    value
