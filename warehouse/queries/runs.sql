-- One row per selected run of ours: setup, totals, mean error of a response, energy books and verdict; newest first.
select
    models.name as model_name,
    models.family,
    run_summary.mean as energy_error_j,
    runs.* rename (model_name as nickname)
from runs
join models on models.model_id = runs.model_id
left join run_summary on run_summary.run_id = runs.run_id
    and run_summary.metric = 'energy_error_j'
where 'run:' || runs.run_id in (
    select result_id
    from selected_results(
        $models, $gpus, $tasks, $engines, $sources, $batch_sizes, $weights, $only_valid
    )
)
order by
    runs.started_at desc,
    runs.run_id
