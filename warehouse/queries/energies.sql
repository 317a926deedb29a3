-- One row per configuration: `value`, the $statistic of its energy (J) per $per, above the power of the idle GPU where $above_idle; null with a `reason`.
-- A mean is a ratio of sums, a percentile is that of each prompt's own ratio. Published tables have means only.
with divided as (
    select
        prompts.run_number,
        case when $above_idle then prompts.energy_above_idle_j else prompts.energy_j end as joules,
        case $per
            when 'response' then 1
            when 'output token' then prompts.output_tokens
            when 'total token' then prompts.input_tokens + prompts.output_tokens
            when 'word' then prompts.output_words
            when 'character' then prompts.output_chars
        end as parts
    from selected_prompts(
        $models, $gpus, $tasks, $engines, $sources, $batch_sizes, $weights, $only_valid
    ) as prompts
    where prompts.status = 'ok'
),
summarised as (
    select
        run_number,
        case
            when $statistic = 'mean' then ratio(sum(joules), sum(case when joules is not null then parts end))
            else quantile_cont(joules / parts, case $statistic when 'p90' then 0.9 when 'p95' then 0.95 when 'p99' then 0.99 else 0.5 end)
        end as statistic
    from divided
    where parts > 0
    group by run_number
),
valued as (
    select
        results.result_id,
        results.origin,
        results.energy_reason,
        runs.energy_attribution,
        runs.idle_power_w,
        case
            when origin = 'measured' then summarised.statistic
            when $above_idle or $statistic != 'mean' then null
            when $per = 'response' then results.energy_j
            when $per = 'output token' then results.energy_per_token_j
            when $per = 'total token' then ratio(results.energy_j, results.input_tokens + results.output_tokens)
        end as value
    from selected_results(
        $models, $gpus, $tasks, $engines, $sources, $batch_sizes, $weights, $only_valid
    ) as results
    left join runs on 'run:' || runs.run_id = results.result_id
    left join summarised using (run_number)
)
select
    valued.result_id,
    valued.value,
    case
        when valued.value is not null then null
        when valued.origin = 'published' and $above_idle then 'the source records no idle power'
        when valued.origin = 'published' and $statistic != 'mean' then 'the source gives averages only'
        when valued.origin = 'published' and $per not in ('response', 'output token') then 'the source does not count ' || $per || 's'
        when valued.energy_reason is not null then valued.energy_reason
        when $above_idle and valued.energy_attribution = 'shared' then 'idle power belongs to all requests that shared the GPU'
        when $above_idle and valued.idle_power_w is null then 'no idle power was recorded'
        else 'the answers have no ' || $per || 's'
    end as reason
from valued
order by
    valued.value nulls last,
    valued.result_id
