-- Names and sizes of models.

-- name: reference
-- One row per model of the reviewed file.
insert or replace into models by name
select * exclude (aliases)
from read_csv($models, header = true, auto_detect = false, columns = $columns)

-- name: aliases
-- One row per spelling of a model of the reviewed file: its id and its aliases.
insert or replace into model_aliases
select distinct
    lower(unnest(list_append(string_split(coalesce(aliases, ''), '|'), model_id))) as alias,
    model_id
from read_csv($models, header = true, auto_detect = false, columns = $columns)

-- name: tasks
-- One row per task of this version of the project.
insert or replace into tasks
select
    unnest($names) as task,
    unnest($systems) as system,
    unnest($twins) as verbose_twin

-- name: models_named
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

-- name: models_of_runs
-- One row per model and short name of the touched runs.
insert into named
select distinct
    model_id,
    model_name,
    null::varchar,
    params_total_b,
    params_active_b
from requests
where run_id in (select run_id from touched)
