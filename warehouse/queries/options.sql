-- One row per value that a filter can take: how many configurations have it, most frequent first within its kind; of a model also its family, its size and
-- whether all of its weights are random.
with found as materialized (
    select
        model_id, model_name, family, params_total_b, gpu_model, task, engine, source, batch_size, weights
    from results
),
choices as (
    select
        'model' as kind,
        model_id as value,
        model_name as label,
        family,
        params_total_b,
        weights = 'dummy' as is_random
    from found
    union all by name
    select 'gpu' as kind, gpu_model as value, gpu_model as label from found
    union all by name
    select 'task' as kind, task as value, task as label from found
    union all by name
    select 'engine' as kind, engine as value, engine as label from found
    union all by name
    select 'source' as kind, source as value, source as label from found
    union all by name
    select 'batch' as kind, batch_size::varchar as value, batch_size::varchar as label from found where batch_size is not null
    union all by name
    select 'weights' as kind, weights as value, weights as label from found
)
select
    kind,
    value,
    label,
    count(*) as count,
    min(family) as family,
    min(params_total_b) as params_total_b,
    bool_and(is_random) as is_random
from choices
group by all
order by kind, count desc, label, value
