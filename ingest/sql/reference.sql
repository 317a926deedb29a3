-- One row per model of the reviewed file.
insert into models by name
select
    model_id,
    name,
    url,
    family,
    params_total_b,
    params_active_b
from read_csv($models, header = true, all_varchar = false)
on conflict (model_id) do update set
    name = excluded.name,
    url = excluded.url,
    family = excluded.family,
    params_total_b = excluded.params_total_b,
    params_active_b = excluded.params_active_b
