-- One row per incoming file of the batch in hand.
insert into batch
select
    unnest($file_ids::integer[]) as file_id,
    unnest($filenames::varchar[]) as filename,
    unnest($paths::varchar[]) as path
