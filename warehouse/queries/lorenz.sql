-- One row per series and step: the cheapest `share_of_prompts` used `share_of_energy`; `top5_share` is what the costliest 5 % used.
-- At most 101 steps a series, from (0, 0) to (1, 1). Only prompts with an energy; with $prompt_set only those of that set.
-- Sorting one list a series is twice as fast as a window over all rows.
with sorted as (
    select
        series,
        list_sort(list(value)) as energies,
        count(value) as prompts,
        sum(value) as energy
    from selected_values(
        'energy_j', $by, $models, $gpus, $tasks, $engines, $sources, $batch_sizes, $weights, $only_valid
    )
    where value is not null
        and ($prompt_set = '' or prompt_set = $prompt_set)
    group by series
),
ranked as (
    select
        series,
        prompts,
        energy,
        unnest(energies) as value,
        unnest(range(1, prompts + 1)) as rank
    from sorted
),
-- The prompts of one hundredth; with fewer than a hundred prompts each stands alone.
hundredths as (
    select
        series,
        prompts,
        energy,
        max(rank) as last_rank,
        sum(value) as part,
        sum(value) filter (where rank > prompts - ceil(0.05 * prompts)) as part_of_top5
    from ranked
    group by
        series,
        prompts,
        energy,
        (rank - 1) * 100 // prompts
),
steps as (
    select
        series,
        last_rank / prompts as share_of_prompts,
        case
            when last_rank = prompts and energy > 0 then 1.0
            else least(ratio(sum(part) over (partition by series order by last_rank), energy), 1)
        end as share_of_energy,
        coalesce(ratio(sum(part_of_top5) over (partition by series), energy), 1) as top5_share
    from hundredths
)
select *
from steps
union all
select
    series,
    0,
    0,
    any_value(top5_share)
from steps
group by series
order by
    series,
    share_of_prompts
