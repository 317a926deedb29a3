-- One row per series and step: the cheapest `share_of_prompts` used `share_of_energy`; `top5_share` is what the costliest 5 % used.
-- At most 101 steps a series, from (0, 0) to (1, 1). Only prompts with an energy.
with ranked as (
    select
        series,
        row_number() over cheapest_first as rank,
        count(*) over (partition by series) as prompts,
        sum(value) over cheapest_first as energy_so_far,
        sum(value) over (partition by series) as energy
    from selected_values(
        'energy_j', $by, $models, $gpus, $tasks, $engines, $sources, $batch_sizes, $weights, $only_valid
    )
    where value is not null
    window cheapest_first as (partition by series order by value rows unbounded preceding)
),
top as (
    select
        series,
        1 - coalesce(max(ratio(energy_so_far, energy)) filter (where rank <= prompts - ceil(0.05 * prompts)), 0) as top5_share
    from ranked
    group by series
),
steps as (
    select
        series,
        rank / prompts as share_of_prompts,
        least(ratio(energy_so_far, energy), 1) as share_of_energy
    from ranked
    where rank = prompts
        or floor(rank * 100 / prompts) > floor((rank - 1) * 100 / prompts)
    union all
    select
        series,
        0,
        0
    from top
)
select
    steps.series,
    steps.share_of_prompts,
    steps.share_of_energy,
    top.top5_share
from steps
join top using (series)
order by
    steps.series,
    steps.share_of_prompts
