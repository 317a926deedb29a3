-- One row per configuration: `value`, the $statistic of its energy (J) per $per, above the power of the idle GPU where $above_idle; null with a `reason`.
-- A mean is a ratio of sums, a percentile is that of each prompt's own ratio. Published tables have means only.
with divided as (
    select
        prompts.run_id,
        case
            when not $above_idle then prompts.energy_j
            when runs.energy_attribution is distinct from 'shared' then prompts.energy_j - runs.idle_power_w * prompts.latency_s
        end as joules,
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
    join runs on runs.run_id = prompts.run_id
    where prompts.status = 'ok'
),
summarised as (
    select
        'run:' || run_id as result_id,
        ratio(sum(joules), sum(parts)) as mean,
        case when $statistic != 'mean' then quantile_cont(joules / parts, [0.5, 0.9, 0.95, 0.99]) end as levels
    from divided
    where joules is not null
        and parts > 0
    group by run_id
),
valued as (
    select
        results.*,
        case
            when origin = 'measured' then
                case $statistic
                    when 'mean' then summarised.mean
                    when 'median' then levels[1]
                    when 'p90' then levels[2]
                    when 'p95' then levels[3]
                    when 'p99' then levels[4]
                end
            when $above_idle or $statistic != 'mean' then null
            when $per = 'response' then energy_j
            when $per = 'output token' then energy_per_token_j
            when $per = 'total token' then ratio(energy_j, input_tokens + output_tokens)
        end as value
    from selected_results(
        $models, $gpus, $tasks, $engines, $sources, $batch_sizes, $weights, $only_valid
    ) as results
    left join summarised using (result_id)
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
        when $above_idle and runs.energy_attribution = 'shared' then 'idle power belongs to all requests that shared the GPU'
        when $above_idle and runs.idle_power_w is null then 'no idle power was recorded'
        else 'the answers have no ' || $per || 's'
    end as reason
from valued
left join runs on 'run:' || runs.run_id = valued.result_id
order by
    valued.value nulls last,
    valued.result_id
