-- One row per series and step of the empirical distribution of one per-prompt metric: `share` of the prompts are at or below `value`.
-- At most 200 steps a series: the smallest, the largest, and evenly spaced ranks between.
with ranked as (
    select
        series,
        value,
        row_number() over (partition by series order by value) as rank,
        count(*) over (partition by series) as prompts
    from selected_values(
        $metric, $by, $models, $gpus, $tasks, $engines, $sources, $batch_sizes, $weights, $only_valid
    )
    where value is not null
)
select
    series,
    value,
    max(rank / prompts) as share
from ranked
where prompts <= 200
    or rank = 1
    or rank = prompts
    or floor(rank * 198 / prompts) > floor((rank - 1) * 198 / prompts)
group by
    series,
    value
order by
    series,
    value
