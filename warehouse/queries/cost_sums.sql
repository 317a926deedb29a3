-- One row per run of ours with energy: means, variances and covariances from which E = a + b · input tokens + c · output tokens is fitted by least squares.
-- With $above_idle E is the energy above the power of the idle GPU, of runs for which it is known. The ingest keeps the sums; those of prompts that are not
-- valid are added to the others where they are wanted.
with summed as (
    select
        run_id,
        sum(prompts)::bigint as prompts,
        any_value(around_in) as around_in,
        any_value(around_out) as around_out,
        any_value(around_energy_j) as around_energy_j,
        sum(far_in) / sum(prompts) as beside_in,
        sum(far_out) / sum(prompts) as beside_out,
        sum(far_energy) / sum(prompts) as beside_energy,
        greatest(sum(in_in) / sum(prompts) - beside_in * beside_in, 0) as var_in,
        greatest(sum(out_out) / sum(prompts) - beside_out * beside_out, 0) as var_out,
        greatest(sum(energy_energy) / sum(prompts) - beside_energy * beside_energy, 0) as var_energy,
        sum(in_out) / sum(prompts) - beside_in * beside_out as cov_in_out,
        sum(in_energy) / sum(prompts) - beside_in * beside_energy as cov_in_energy,
        sum(out_energy) / sum(prompts) - beside_out * beside_energy as cov_out_energy,
        max(longest) as longest
    from fit_sums
    where above_idle = $above_idle
        and (valid or not $selection.only_valid)
    group by run_id
    having sum(prompts) >= 8
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
    summed.around_in + summed.beside_in as mean_in,
    summed.around_out + summed.beside_out as mean_out,
    summed.around_energy_j + summed.beside_energy as mean_energy_j,
    summed.var_in,
    summed.var_out,
    summed.var_energy,
    summed.cov_in_out,
    summed.cov_in_energy,
    summed.cov_out_energy,
    summed.longest
from summed
join selected_runs($selection) as runs using (run_id)
order by
    runs.batch_size is distinct from 1,
    summed.prompts desc,
    result_id
