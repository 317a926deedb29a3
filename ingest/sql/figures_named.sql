-- One row per model that the incoming figures name.
insert into named
select distinct
    published_model_id,
    null::varchar,
    null::varchar,
    null::double,
    null::double
from incoming_figures
