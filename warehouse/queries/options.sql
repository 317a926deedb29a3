-- One row per value that a filter can take: how many configurations have it, most frequent first within its kind.
with found as materialized (
    select
        model_id,
        model_name,
        gpu_model,
        task,
        engine,
        source,
        batch_size,
        weights
    from results
),
choices as (
    select 'model' as kind, model_id as value, model_name as label from found
    union all
    select 'gpu', gpu_model, gpu_model from found
    union all
    select 'task', task, task from found
    union all
    select 'engine', engine, engine from found
    union all
    select 'source', source, source from found
    union all
    select 'batch', batch_size::varchar, batch_size::varchar from found where batch_size is not null
    union all
    select 'weights', weights, weights from found
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
