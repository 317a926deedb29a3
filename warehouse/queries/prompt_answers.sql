-- One row per answer to the prompt $prompt (its id), least energy first, with the texts where they were kept.
with found as (
    select *
    from selected_prompts(
        $models, $gpus, $tasks, $engines, $sources, $batch_sizes, $weights, $only_valid
    )
    where prompt_id = $prompt
        and status = 'ok'
    order by
        energy_j nulls last,
        run_id,
        sequence
    limit 500
)
select
    prompts.model_name,
    prompts.task,
    prompts.gpu_model,
    prompts.engine,
    prompts.batch_size,
    prompts.weights,
    prompts.harness_version,
    requests.prompt_set,
    prompts.prompt_id,
    prompts.repetition,
    prompts.energy_j,
    prompts.energy_error_j,
    prompts.input_tokens,
    prompts.output_tokens,
    prompts.output_words,
    prompts.output_chars,
    prompts.energy_above_idle_j,
    prompts.energy_per_token_j,
    prompts.power_w,
    prompts.latency_s,
    prompts.finish_reason = 'length' as cut,
    prompts.reasons,
    requests.energy_reason,
    requests.prompt_text,
    requests.output_text,
    prompts.source,
    prompts.run_id,
    prompts.sequence
from found as prompts
join requests
    on requests.run_number = prompts.run_number
    and requests.sequence = prompts.sequence
    and requests.repetition = prompts.repetition
where requests.prompt_id = $prompt
order by
    prompts.energy_j nulls last,
    prompts.run_id,
    prompts.sequence
