-- One row per run that the incoming rows belong to.
insert or ignore into touched
select distinct run_id
from surveyed
where run_id is not null
