-- One row per selected run of ours: setup, totals, energy books and verdict; newest first.
select
    models.name as model_name,
    models.family,
    runs.* rename (model_name as nickname)
from runs
join models on models.model_id = runs.model_id
where 'run:' || runs.run_id in (
    select result_id
    from selected_results(
        $models, $gpus, $tasks, $engines, $sources, $batch_sizes, $weights, $only_valid
    )
)
order by
    runs.started_at desc,
    runs.run_id
