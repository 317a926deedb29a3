-- One row per run of a tool that knows totals. One that another file brought already is left as it is.
insert into run_totals by name
select
    *,
    $file_id::integer as file_id
from incoming_totals as incoming
where not exists (
    from run_totals
    where run_totals.source = incoming.source
        and run_totals.run_id = incoming.run_id
        and run_totals.ended_at is not distinct from incoming.ended_at
        and run_totals.duration_s = incoming.duration_s
)
