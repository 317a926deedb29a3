-- One row per file that was loaded, newest first.
from ingested_files
order by ingested_at desc, file_id desc
