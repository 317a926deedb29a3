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
select 'configurations without a result: ' || count(*)
from configurations
anti join results using (result_id)
having count(*) > 0
union all
select 'published figures without a model: ' || count(*)
from published
anti join models using (model_id)
having count(*) > 0
