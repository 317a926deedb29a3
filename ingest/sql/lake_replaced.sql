-- One row per run with rows of a file that has other content now.
select distinct run_id
from requests
join ingested_files using (file_id)
where list_contains($paths, path)
union
select run_id
from run_notes
join ingested_files using (file_id)
where list_contains($paths, path)
