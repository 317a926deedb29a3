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
    select kind, value, value as label
    from (select gpu_model as gpu, task, engine, source, batch_size::varchar as batch, weights from found)
    unpivot include nulls (value for kind in (gpu, task, engine, source, batch, weights))
    where kind != 'batch' or value is not null
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
