-- One row per file of the batch: rows loaded and rows refused.
select
    batch.file_id,
    coalesce(loaded.accepted, 0) as accepted,
    coalesce(refused.rejected, 0) as rejected
from batch
left join (
    select
        file_id,
        count(*) as accepted
    from requests
    where file_id in (select file_id from batch)
    group by file_id
) as loaded using (file_id)
left join (
    select
        filename,
        count(*) as rejected
    from broken
    group by filename
) as refused using (filename)
order by batch.file_id
