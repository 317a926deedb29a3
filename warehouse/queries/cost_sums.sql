-- One row per run of ours with energy: the sums from which E = a + b · input tokens + c · output tokens is fitted by least squares.
-- With $above_idle E is the energy above the power of the idle GPU, of runs for which it is known.
with chosen as (
    select
        *,
        case when $above_idle then energy_above_idle_j else energy_j end as joules
    from selected_prompts(
        $models, $gpus, $tasks, $engines, $sources, $batch_sizes, $weights, $only_valid
    )
    where status = 'ok'
),
summed as (
    select
        run_number,
        count(*) as prompts,
        avg(input_tokens) as mean_in,
        avg(output_tokens) as mean_out,
        avg(joules) as mean_energy_j,
        var_pop(input_tokens) as var_in,
        var_pop(output_tokens) as var_out,
        var_pop(joules) as var_energy,
        covar_pop(input_tokens, output_tokens) as cov_in_out,
        covar_pop(input_tokens, joules) as cov_in_energy,
        covar_pop(output_tokens, joules) as cov_out_energy,
        max(output_tokens) as longest
    from chosen
    where joules is not null
        and input_tokens is not null
        and output_tokens is not null
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
    summed.* exclude (run_number)
from summed
join labelled_runs as runs using (run_number)
order by
    runs.batch_size is distinct from 1,
    prompts desc,
    result_id
