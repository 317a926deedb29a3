-- Whether the sums of a warehouse add up.

-- name: problems
-- One row per thing that is wrong with a warehouse that was just built; a sound one gives none.
select 'rows of prompts without a run: ' || count(*) as problem
from requests
anti join runs using (run_number, run_id)
having count(*) > 0
union all
select 'rows of prompts differ from those that files brought: ' || (select count(*) from requests)
where (select count(*) from requests) <> (
    select coalesce(sum(accepted), 0)
    from ingested_files
    where list_contains($requests, format)
)
union all
-- The configurations, without all of their numbers: planning those takes longer than everything else here.
select 'configurations without a result: ' || count(*)
from (
    select 'run:' || run_id as result_id, model_id
    from runs
    union all
    select result_id, model_id
    from published_results
)
join models using (model_id)
anti join results using (result_id)
having count(*) > 0
union all
select 'published figures without a model: ' || count(*)
from published
anti join models using (model_id)
having count(*) > 0

-- name: problems_anywhere
-- One row per thing that is wrong with what is about to become a warehouse, a file or a lake.
select 'runs without a model: ' || count(*) as problem
from runs
anti join models using (model_id)
having count(*) > 0

-- name: check
-- One row per ingested file: what was counted when it was loaded, and how many rows of each table point to it now.
select
    path, sha256, format, accepted, rejected,
    (select count(*) from requests where requests.file_id = ingested_files.file_id) as requests,
    (select count(*) from published where published.file_id = ingested_files.file_id) as published,
    (select count(*) from quality where quality.file_id = ingested_files.file_id) as quality,
    (select count(*) from run_totals where run_totals.file_id = ingested_files.file_id) as run_totals,
    (select count(*) from rejects where rejects.file_id = ingested_files.file_id) as rejects,
    (select count(*) from rejects where rejects.file_id = ingested_files.file_id and "row" is null) as whole_file_rejects
from ingested_files
order by path

-- name: orphans
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
