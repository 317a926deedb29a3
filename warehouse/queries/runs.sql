-- One row per selected run of ours: setup, totals, error of the mean energy, energy balance and verdict. Whoever lists them sorts them: polars
-- sorts so many columns in a third of the time.
select
    results.model_name,
    results.family,
    results.energy_error_j,
    runs.* exclude (setup, card, power_limit_w, kernels, request_seed, request_rate, attention_backend, server_options) rename (model_name as nickname)
from runs
join results on results.result_id = 'run:' || runs.run_id
where is_kept(
    runs.model_id, runs.gpu, runs.task, runs.engine, runs.source, runs.batch_size, runs.weights, runs.valid, $selection
)
