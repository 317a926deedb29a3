-- One row per selected run of ours: setup, totals, error of the mean energy, energy balance and verdict; newest first.
select
    models.name as model_name,
    models.family,
    results.energy_error_j,
    runs.* rename (model_name as nickname)
from runs
join models on models.model_id = runs.model_id
join results on results.result_id = 'run:' || runs.run_id
where is_kept(
    runs.model_id, runs.gpu, runs.task, runs.engine, runs.source, runs.batch_size, runs.weights, runs.valid, $selection
)
order by runs.started_at desc, runs.run_id
