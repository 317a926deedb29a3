-- One row per series and bin of one per-prompt metric, for values from $low to $high in $bins bins; all series share the bins; empty bins are left out.
-- With $prompt_set only the prompts of that set, with $only_series (a JSON list) only those series.
-- With $log the bins are equally wide in the logarithm; $low is above 0 then.
with labels as (
    select distinct series_number, series
    from selected_series($by, $prompt_set, $only_series, $selection)
),
edges as (
    select
        case when $log then ln(nullif($low::double, 0)) else $low::double end as low,
        ((case when $log then ln(nullif($high::double, 0)) else $high::double end) - low) / $bins as width
),
counted as (
    select
        series_number,
        case when width > 0 then least(floor((case when $log then ln(value) else value end - low) / width), $bins - 1) else 0 end as bin,
        count(*) as count
    from selected_values($metric, $by, $prompt_set, $only_series, $selection)
    cross join edges
    where value between $low and $high
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
order by series, bin_low
