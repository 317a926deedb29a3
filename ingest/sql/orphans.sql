-- One row per table with rows that point to no ingested file.
select
    table_name,
    count(*) as count
from (
    select 'requests' as table_name, file_id from requests
    union all
    select 'published', file_id from published
    union all
    select 'quality', file_id from quality
    union all
    select 'run_totals', file_id from run_totals
    union all
    select 'run_notes', file_id from run_notes
)
anti join ingested_files using (file_id)
group by table_name
order by table_name
