-- One row per model that a source names. One that is known already only gets what is missing; its family is guessed from its name.
-- A source may give one id to several models and tell them apart by their short names.
insert into models by name
with canonical as (
    select
        *,
        canonical_model(source_id, model_name) as model_id
    from named
)
select
    model_id,
    coalesce(min(model_name), regexp_extract(min(source_id), '[^/\\]+[/\\]*$')) as name,
    min(url) as url,
    family_of(coalesce(min(model_name), min(source_id))) as family,
    max(params_total_b) as params_total_b,
    max(params_active_b) as params_active_b
from canonical
group by model_id
on conflict (model_id) do update set
    url = coalesce(models.url, excluded.url),
    params_total_b = coalesce(models.params_total_b, excluded.params_total_b),
    params_active_b = coalesce(models.params_active_b, excluded.params_active_b)
