-- One row per prompt whose value of the per-prompt metric $metric is from $low to $high in the series $series, largest first, at most 500.
-- With $prompt_set only the prompts of that set.
with valued as (
    select
        prompts.* exclude (run_number),
        labels.series,
        prompt_value(
            $metric, energy_j, energy_error_j, energy_per_token_j, output_tokens, input_tokens, latency_s, ttft_s, tpot_s, throughput_tps, energy_per_word_j, power_w,
            energy_above_idle_j, energy_above_active_idle_j, output_words, output_chars
        ) as value
    from selected_prompts($selection) as prompts
    join selected_series($by, $prompt_set, '', $selection) as labels on labels.run_number = prompts.run_number
    where status = 'ok'
        and labels.series = $series
)
select *
from valued
where value between $low and $high
order by value desc, run_id, sequence
limit 500
