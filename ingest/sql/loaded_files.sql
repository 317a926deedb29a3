-- One row per file that was just loaded.
insert into ingested_files
select
    unnest($file_ids::integer[]) as file_id,
    unnest($paths::varchar[]) as path,
    unnest($hashes::varchar[]) as sha256,
    $format as format,
    unnest($accepted::bigint[]) as accepted,
    unnest($rejected::bigint[]) as rejected,
    unnest($sizes::bigint[]) as bytes,
    $now as ingested_at
