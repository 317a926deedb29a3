-- One row per source, GPU, model and family of tasks that was published both concise and wordy. `change` is concise over verbose less 1.
-- ln(energy ratio) = length_effect_log + token_effect_log, exactly: fewer tokens, and a different energy per token.
with selected as (
    select *
    from selected_results(
        $models, $gpus, $tasks, $engines, $sources, $batch_sizes, $weights, $only_valid
    )
    where origin = 'published'
        and energy_j > 0
        and output_tokens > 0
)
select
    concise.source,
    concise.generation,
    concise.gpu_model,
    concise.model_id,
    concise.model_name,
    concise.family,
    concise.params_total_b,
    wordy.task as task_family,
    wordy.task as verbose_task,
    concise.task as concise_task,
    concise.energy_j as energy_concise_j,
    wordy.energy_j as energy_verbose_j,
    concise.output_tokens as output_tokens_concise,
    wordy.output_tokens as output_tokens_verbose,
    concise.energy_per_token_j as energy_per_token_concise_j,
    wordy.energy_per_token_j as energy_per_token_verbose_j,
    concise.energy_j / wordy.energy_j - 1 as change,
    concise.output_tokens / wordy.output_tokens - 1 as length_change,
    ln(concise.energy_j / wordy.energy_j) as energy_effect_log,
    ln(concise.output_tokens / wordy.output_tokens) as length_effect_log,
    ln((concise.energy_j / concise.output_tokens) / (wordy.energy_j / wordy.output_tokens)) as token_effect_log
from selected as concise
join tasks on tasks.task = concise.task
join selected as wordy
    on wordy.task = tasks.verbose_twin
    and wordy.source = concise.source
    and wordy.gpu_model = concise.gpu_model
    and wordy.model_id = concise.model_id
    and wordy.engine = concise.engine
    and wordy.batch_size is not distinct from concise.batch_size
order by
    concise.source,
    concise.gpu_model,
    task_family,
    change,
    concise.model_id
