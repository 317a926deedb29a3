-- One row per incoming row that is not broken, with its file and its verdict.
insert into requests by name
select
    incoming.* exclude (filename, "row"),
    batch.file_id,
    numbered.run_number,
    energy_bucket(incoming.energy_j) as energy_bucket,
    request_is_valid(incoming.status, incoming.throttled) as valid,
    request_reasons(
        incoming.status,
        incoming.finish_reason,
        incoming.throttled,
        incoming.energy_j,
        incoming.energy_error_j,
        incoming.energy_reason,
        incoming.energy_attribution,
        incoming.output_tokens
    ) as reasons
from incoming($files) as incoming
join batch using (filename)
join numbered using (run_id)
anti join broken using (filename, "row")
