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
