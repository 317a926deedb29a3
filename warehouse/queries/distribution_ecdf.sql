-- One row per series and step of the empirical distribution of one per-prompt metric: `share` of the prompts are at or below `value`.
-- At most 200 steps a series, at every half percent; the share is right to half a percent. With $prompt_set only the prompts of that set.
with steps as (
    select
        series,
        unnest(range(1, 201)) / 200 as share,
        unnest(quantile_disc(value, list_transform(range(1, 201), lambda step: step / 200))) as value
    from selected_values(
        $metric, $by, $models, $gpus, $tasks, $engines, $sources, $batch_sizes, $weights, $only_valid
    )
    where value is not null
        and ($prompt_set = '' or prompt_set = $prompt_set)
    group by series
)
select
    series,
    value,
    max(share) as share
from steps
group by
    series,
    value
order by
    series,
    value
