-- One row per ingested file: what was counted when it was loaded, and how many rows of each table point to it now.
select
    path,
    sha256,
    format,
    accepted,
    rejected,
    (select count(*) from requests where requests.file_id = ingested_files.file_id) as requests,
    (select count(*) from published where published.file_id = ingested_files.file_id) as published,
    (select count(*) from quality where quality.file_id = ingested_files.file_id) as quality,
    (select count(*) from run_totals where run_totals.file_id = ingested_files.file_id) as run_totals,
    (select count(*) from rejects where rejects.file_id = ingested_files.file_id) as rejects,
    (select count(*) from rejects where rejects.file_id = ingested_files.file_id and "row" is null) as whole_file_rejects
from ingested_files
order by path
