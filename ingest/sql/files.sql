-- Which files were loaded, forgotten and refused.

-- name: last_file
-- One row: the highest number of a file.
select coalesce(max(file_id), 0)
from ingested_files

-- name: known_files
-- One row per file that need not be read again. One of which nothing was accepted is read again: a later version, or another day, may read more.
select sha256, path
from ingested_files
where accepted > 0
    or rejected = 0

-- name: loaded_before
-- One row per name of these files under which something was loaded before, and per name of a file with the same content.
select path
from ingested_files
where list_contains($paths, path)
    or list_contains($hashes, sha256)

-- name: loaded_files
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

-- name: forget_file
-- One row per run that a file of this name had rows of: its rows go, and its runs are computed again.
insert or ignore into touched
select distinct run_id
from requests
where file_id in (select file_id from ingested_files where path = $path)
union
select run_id
from run_notes
where file_id in (select file_id from ingested_files where path = $path)

-- name: foreign_rows
-- Refused rows of a foreign file get their number in that file: the reader may have left out some before.
update rejects
set "row" = $numbers["row"]
where file_id = $file_id

-- name: rejects
-- One row per row of a file that was refused.
insert into rejects by name
select * from incoming_rejects

-- name: refused
-- One row per file that could not be read: its name, and why.
select path, reason
from rejects
where file_id is null
