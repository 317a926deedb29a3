-- One row per series: the percentiles of one per-prompt metric; `prompts` have it, `unmeasured` do not. With $prompt_set only the prompts of that set.
with labels as (
    select distinct
        series_number,
        series
    from selected_series(
        $by, $prompt_set, $models, $gpus, $tasks, $engines, $sources, $batch_sizes, $weights, $only_valid
    )
),
summarised as (
    select
        series_number,
        count(value) as prompts,
        count(*) - count(value) as unmeasured,
        avg(value) as mean,
        quantile_cont(value, [0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99]) as levels,
        min(value) as minimum,
        max(value) as maximum
    from selected_values(
        $metric, $by, $prompt_set, $models, $gpus, $tasks, $engines, $sources, $batch_sizes, $weights, $only_valid
    )
    group by series_number
)
select
    series,
    prompts,
    unmeasured,
    mean,
    levels[1] as p5,
    levels[2] as p25,
    levels[3] as p50,
    levels[4] as p75,
    levels[5] as p90,
    levels[6] as p95,
    levels[7] as p99,
    minimum,
    maximum
from summarised
join labels using (series_number)
order by
    p50 nulls last,
    series
