-- One row per configuration: `value`, the $statistic of its energy (J) per $per, `gross`, `above idle` or `above active idle` as $idle says; null with a
-- `reason`. A mean is a ratio of sums, and `parts` what it is divided by (answers, tokens, words); a percentile is that of each prompt's own ratio.
-- Published tables have means only. Percentiles of valid prompts are kept by the ingest. Prompts are read for a mean, and of runs with prompts that are
-- not valid where these count.
with chosen as (
    select
        results.result_id, results.origin, results.energy_j, results.energy_per_token_j, results.input_tokens,
        results.output_tokens, results.energy_reason, runs.run_id, runs.run_number, runs.energy_attribution,
        idle_power_of($idle, runs.idle_power_w, runs.active_idle_power_w) as idle_power_w,
        $statistic = 'mean' or (runs.ok > runs.counted and not $selection.only_valid) as is_read
    from selected_results($selection) as results
    left join runs on 'run:' || runs.run_id = results.result_id
),
divided as (
    select
        requests.run_number,
        shown_energy($idle, requests.energy_j, requests.latency_s, own_idle_power(chosen.idle_power_w, chosen.energy_attribution)) as joules,
        case $per
            when 'response' then 1
            when 'output token' then requests.output_tokens
            when 'total token' then requests.input_tokens::bigint + requests.output_tokens
            when 'word' then requests.output_words
            when 'character' then requests.output_chars
        end as parts
    from requests
    join (select run_number, energy_attribution, idle_power_w from chosen where is_read) as chosen on chosen.run_number = requests.run_number
    where requests.status = 'ok'
        and (requests.valid or not $selection.only_valid)
),
read as (
    select
        run_number,
        case
            when $statistic = 'mean' then ratio(sum(joules), sum(case when joules is not null then parts end))
            else quantile_cont(joules / parts, case $statistic when 'p90' then 0.9 when 'p95' then 0.95 when 'p99' then 0.99 else 0.5 end)
        end as statistic,
        case when $statistic = 'mean' then sum(case when joules is not null then parts end) end::double as parts
    from divided
    where parts > 0
    group by run_number
),
kept as (
    select
        run_id,
        case $statistic when 'p90' then p90 when 'p95' then p95 when 'p99' then p99 else p50 end as statistic
    from run_summary
    where $statistic != 'mean'
        and metric = metric_per($per, $idle)
),
valued as (
    select
        chosen.*,
        read.parts,
        case
            when chosen.origin = 'measured' and chosen.is_read then read.statistic
            when chosen.origin = 'measured' then kept.statistic
            when $idle != 'gross' or $statistic != 'mean' then null
            when $per = 'response' then chosen.energy_j
            when $per = 'output token' then chosen.energy_per_token_j
            when $per = 'total token' then ratio(chosen.energy_j, chosen.input_tokens + chosen.output_tokens)
        end as value
    from chosen
    left join read using (run_number)
    left join kept using (run_id)
)
select
    valued.result_id,
    valued.value,
    valued.parts,
    case
        when valued.value is not null then null
        when valued.origin = 'published' and $idle != 'gross' then 'the source records no idle power'
        when valued.origin = 'published' and $statistic != 'mean' then 'the source gives averages only'
        when valued.origin = 'published' and $per not in ('response', 'output token') then 'the source does not count ' || $per || 's'
        when valued.energy_reason is not null then valued.energy_reason
        when $idle != 'gross' and valued.energy_attribution = 'shared' then 'idle power belongs to all requests that shared the GPU'
        when $idle = 'above idle' and valued.idle_power_w is null then 'no idle power was recorded'
        when $idle = 'above active idle' and valued.idle_power_w is null then 'no active idle power was recorded'
        else 'the answers have no ' || $per || 's'
    end as reason
from valued
order by valued.value nulls last, valued.result_id
