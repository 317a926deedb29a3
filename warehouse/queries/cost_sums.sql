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
)
select
    'run:' || run_id as result_id,
    any_value(model_id) as model_id,
    any_value(model_name) as model_name,
    any_value(gpu_model) as gpu_model,
    any_value(task) as task,
    any_value(engine) as engine,
    any_value(batch_size) as batch_size,
    any_value(source) as source,
    any_value(prompt_set) as prompt_set,
    any_value(weights) as weights,
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
group by run_id
having count(*) >= 8
order by
    any_value(batch_size) is distinct from 1,
    prompts desc,
    result_id
