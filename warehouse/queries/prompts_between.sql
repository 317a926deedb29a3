-- One row per prompt whose value of the per-prompt metric $metric is from $low to $high in the series $series, largest first, at most 500.
-- With $prompt_set only the prompts of that set.
with valued as (
    select
        *,
        series_name($by, model_name, task, gpu_model, engine, batch_size, prompt_set, weights) as series,
        coalesce(
            metric_value(
                $metric, energy_j, energy_error_j, energy_per_token_j, output_tokens, input_tokens, latency_s, ttft_s, tpot_s, throughput_tps, energy_per_word_j, power_w
            ),
            divided_energy($metric, energy_j, energy_above_idle_j, output_tokens, input_tokens, output_words, output_chars)
        ) as value
    from selected_prompts(
        $models, $gpus, $tasks, $engines, $sources, $batch_sizes, $weights, $only_valid
    )
    where status = 'ok'
        and ($prompt_set = '' or prompt_set = $prompt_set)
)
select *
from valued
where series = $series
    and value between $low and $high
order by
    value desc,
    run_id,
    sequence
limit 500
