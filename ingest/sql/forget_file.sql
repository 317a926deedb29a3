-- A file of this name was loaded before with other content: its rows go, and its runs are computed again.
insert or ignore into touched
select distinct run_id
from requests
where file_id in (select file_id from ingested_files where path = $path)
union
select run_id
from run_notes
where file_id in (select file_id from ingested_files where path = $path);
delete from requests where file_id in (select file_id from ingested_files where path = $path);
delete from run_notes where file_id in (select file_id from ingested_files where path = $path);
delete from published where file_id in (select file_id from ingested_files where path = $path);
delete from quality where file_id in (select file_id from ingested_files where path = $path);
delete from run_totals where file_id in (select file_id from ingested_files where path = $path);
delete from rejects where file_id in (select file_id from ingested_files where path = $path);
delete from ingested_files where path = $path;
