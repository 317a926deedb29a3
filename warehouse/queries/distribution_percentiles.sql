-- One row per series: the percentiles of one per-prompt metric; `prompts` have it, `unmeasured` do not.
select
    series,
    count(value) as prompts,
    count(*) - count(value) as unmeasured,
    avg(value) as mean,
    quantile_cont(value, 0.05) as p5,
    quantile_cont(value, 0.25) as p25,
    quantile_cont(value, 0.5) as p50,
    quantile_cont(value, 0.75) as p75,
    quantile_cont(value, 0.9) as p90,
    quantile_cont(value, 0.95) as p95,
    quantile_cont(value, 0.99) as p99,
    min(value) as minimum,
    max(value) as maximum
from selected_values(
    $metric, $by, $models, $gpus, $tasks, $engines, $sources, $batch_sizes, $weights, $only_valid
)
group by series
order by
    p50 nulls last,
    series
