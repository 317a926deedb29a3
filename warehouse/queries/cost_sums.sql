-- One row per run of ours with energy: the sums from which E = a + b · input tokens + c · output tokens is fitted by least squares.
select
    'run:' || run_id as result_id,
    any_value(model_id) as model_id,
    any_value(model_name) as model_name,
    any_value(gpu_model) as gpu_model,
    any_value(task) as task,
    any_value(engine) as engine,
    any_value(batch_size) as batch_size,
    any_value(source) as source,
    count(*) as prompts,
    avg(input_tokens) as mean_in,
    avg(output_tokens) as mean_out,
    avg(energy_j) as mean_energy_j,
    var_pop(input_tokens) as var_in,
    var_pop(output_tokens) as var_out,
    var_pop(energy_j) as var_energy,
    covar_pop(input_tokens, output_tokens) as cov_in_out,
    covar_pop(input_tokens, energy_j) as cov_in_energy,
    covar_pop(output_tokens, energy_j) as cov_out_energy,
    max(output_tokens) as longest
from selected_prompts(
    $models, $gpus, $tasks, $engines, $sources, $batch_sizes, $weights, $only_valid
)
where status = 'ok'
    and energy_j is not null
    and input_tokens is not null
    and output_tokens is not null
group by run_id
having count(*) >= 8
order by
    prompts desc,
    result_id
