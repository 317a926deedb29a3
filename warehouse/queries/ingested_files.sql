-- One row per file that was loaded, newest first.
select
    file_id,
    path,
    sha256,
    format,
    accepted,
    rejected,
    bytes,
    ingested_at
from ingested_files
order by
    ingested_at desc,
    file_id desc
