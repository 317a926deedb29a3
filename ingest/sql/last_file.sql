-- One row: the highest number of a file.
select coalesce(max(file_id), 0)
from ingested_files
