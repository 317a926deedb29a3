-- One row per run of ours with energy: the sums from which E = a + b · input tokens + c · output tokens is fitted by least squares.
-- With $above_idle E is the energy above the power of the idle GPU, of runs for which it is known.
-- Sums of distances from about the mean are as exact as DuckDB's own variances and take a quarter of the time; whole tokens are exact.
with around as (
    select
        runs.run_number,
        coalesce(round(run_metrics.input_tokens), 0) as input_tokens,
        coalesce(round(run_metrics.output_tokens), 0) as output_tokens,
        coalesce(run_metrics.energy_j, 0) as energy_j
    from runs
    left join run_metrics on run_metrics.run_id = runs.run_id
),
chosen as (
    select
        prompts.run_number,
        prompts.output_tokens,
        prompts.input_tokens - around.input_tokens as far_in,
        prompts.output_tokens - around.output_tokens as far_out,
        case when $above_idle then prompts.energy_above_idle_j else prompts.energy_j end - around.energy_j as far_energy
    from selected_prompts(
        $models, $gpus, $tasks, $engines, $sources, $batch_sizes, $weights, $only_valid
    ) as prompts
    join around on around.run_number = prompts.run_number
    where prompts.status = 'ok'
),
summed as (
    select
        run_number,
        count(*) as prompts,
        sum(far_in) / count(*) as beside_in,
        sum(far_out) / count(*) as beside_out,
        sum(far_energy) / count(*) as beside_energy,
        greatest(sum(far_in * far_in) / count(*) - beside_in * beside_in, 0) as var_in,
        greatest(sum(far_out * far_out) / count(*) - beside_out * beside_out, 0) as var_out,
        greatest(sum(far_energy * far_energy) / count(*) - beside_energy * beside_energy, 0) as var_energy,
        sum(far_in * far_out) / count(*) - beside_in * beside_out as cov_in_out,
        sum(far_in * far_energy) / count(*) - beside_in * beside_energy as cov_in_energy,
        sum(far_out * far_energy) / count(*) - beside_out * beside_energy as cov_out_energy,
        max(output_tokens) as longest
    from chosen
    where far_energy is not null
        and far_in is not null
        and far_out is not null
    group by run_number
    having count(*) >= 8
)
select
    'run:' || runs.run_id as result_id,
    runs.model_id,
    runs.model_name,
    runs.gpu_model,
    runs.task,
    runs.engine,
    runs.batch_size,
    runs.source,
    runs.prompt_set,
    runs.weights,
    runs.harness_version,
    summed.prompts,
    around.input_tokens + summed.beside_in as mean_in,
    around.output_tokens + summed.beside_out as mean_out,
    around.energy_j + summed.beside_energy as mean_energy_j,
    summed.var_in,
    summed.var_out,
    summed.var_energy,
    summed.cov_in_out,
    summed.cov_in_energy,
    summed.cov_out_energy,
    summed.longest
from summed
join around using (run_number)
join labelled_runs as runs using (run_number)
order by
    runs.batch_size is distinct from 1,
    prompts desc,
    result_id
