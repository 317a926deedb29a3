-- One row per series and bin of one per-prompt metric; all series share the bins; empty bins are left out.
-- With $prompt_set only the prompts of that set.
-- With $log the bins are equally wide in the logarithm and values that are not positive are left out.
with labels as (
    select distinct
        series_number,
        series
    from selected_series(
        $by, $prompt_set, $models, $gpus, $tasks, $engines, $sources, $batch_sizes, $weights, $only_valid
    )
),
metric as not materialized (
    select
        series_number,
        case when $log then ln(value) else value end as position
    from selected_values(
        $metric, $by, $prompt_set, $models, $gpus, $tasks, $engines, $sources, $batch_sizes, $weights, $only_valid
    )
    where value is not null
        and (value > 0 or not $log)
),
edges as (
    select
        min(position) as low,
        max(position) as high,
        (max(position) - min(position)) / $bins as width
    from metric
),
counted as (
    select
        series_number,
        case when width > 0 then least(floor((position - low) / width), $bins - 1) else 0 end as bin,
        count(*) as count
    from metric
    cross join edges
    group by all
)
select
    series,
    case when $log then exp(low + bin * width) else low + bin * width end as bin_low,
    case when $log then exp(low + (bin + 1) * width) else low + (bin + 1) * width end as bin_high,
    count,
    count / sum(count) over (partition by series_number) as share
from counted
join labels using (series_number)
cross join edges
order by
    series,
    bin_low
