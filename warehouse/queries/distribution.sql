-- One row per series of one per-prompt metric: its percentiles over `prompts`, how many are `unmeasured`, and in `steps` the whole distribution, in at most
-- some 200 steps: `share_of_prompts` have at most `value` and sum up to `share_of_total` of the sum of all; the first step is before the first prompt.
-- `top5_share` is what the largest 5 % sum up to over the sum of all; `least_positive` is the smallest value above 0. `answers_per_prompt` is how many answers
-- of the series one prompt can have: its runs of one prompt set, times their repetitions; `runs` is how many runs it has in all. `divided`: energy of a run of
-- the series was divided by a rule.
-- With $prompt_set only the prompts of that set, with $only_series (a JSON list) only those series.
-- Values are not sorted: they are counted in buckets, 0.5 % wide for many prompts (200,000 and more), 0.01 % for few (4,000), and finer than 0.5 % where the
-- middle half of a run would lie in under 120 of them. Counts, means, extremes and steps are exact. Percentiles and `top5_share` are off by no more than the
-- width of the bucket that they fall into.
with labels as (
    select
        selected.series_number,
        any_value(selected.series) as series,
        least(
            greatest(
                200,
                120 / nullif(min(ln(run_summary.p75 / run_summary.p25)), 0),
                4e7 / nullif(sum(sum(run_summary.prompts)) over (), 0)
            ),
            10000
        ) as buckets_per_fold
    from selected_series($by, $prompt_set, $only_series, $selection) as selected
    left join run_summary
        on run_summary.run_id = selected.run_id
        and run_summary.metric = $metric
        and run_summary.p25 > 0
    group by selected.series_number
),
alike as (
    select
        series_number,
        max(runs) as runs_of_a_prompt,
        sum(runs)::bigint as runs,
        bool_or(divided) as divided
    from (
        select
            selected.series_number,
            count(*) as runs,
            bool_or(runs.energy_attribution is not distinct from 'shared') as divided
        from selected_series($by, $prompt_set, $only_series, $selection) as selected
        join runs on runs.run_number = selected.run_number
        group by
            selected.series_number,
            coalesce(runs.prompt_set_sha256, runs.prompt_set, runs.run_id)
    )
    group by series_number
),
counted as (
    select
        series_number,
        case when value = 0 then 0 else sign(value) * (1e7 + floor(buckets_per_fold * ln(abs(value)))) end as bucket,
        count(value) as prompts,
        count(*) - count(value) as unmeasured,
        sum(value) as total,
        min(value) as minimum,
        max(value) as maximum,
        max(repetition) + 1 as repetitions
    from selected_values($metric, $by, $prompt_set, $only_series, $selection)
    join labels using (series_number)
    group by all
),
totals as (
    select
        series_number,
        sum(prompts)::bigint as prompts,
        sum(unmeasured)::bigint as unmeasured,
        sum(total) as total,
        min(minimum) as minimum,
        min(minimum) filter (where minimum > 0) as least_positive,
        max(maximum) as maximum,
        max(repetitions) as repetitions
    from counted
    group by series_number
),
placed as (
    select
        counted.*,
        totals.prompts as all_prompts,
        totals.total as all_total,
        sum(counted.prompts) over so_far as prompts_so_far,
        sum(counted.total) over so_far as total_so_far,
        prompts_so_far - counted.prompts as prompts_before
    from counted
    join totals using (series_number)
    where counted.prompts > 0
    window so_far as (partition by series_number order by bucket)
),
-- A percentile lies between two prompts, on a straight line: each counts for as much as it is near.
percentiles as (
    select
        series_number,
        list(value order by level) as levels
    from (
        select
            sought.series_number,
            sought.level,
            sum(weight * (minimum + (maximum - minimum) * coalesce((place - prompts_before) / nullif(prompts - 1, 0), 0))) as value
        from (
            select
                series_number,
                levels.level,
                level * (prompts - 1) as position,
                floor(position) + sides.side as place,
                1 - abs(position - place) as weight
            from totals
            cross join unnest([0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99]) as levels (level)
            cross join range(2) as sides (side)
            where prompts > 0
        ) as sought
        asof join placed
            on placed.series_number = sought.series_number
            and placed.prompts_before <= sought.place
        group by all
    )
    group by series_number
),
curves as (
    select
        series_number,
        list(
            struct_pack(
                share_of_prompts := prompts_so_far / all_prompts,
                "value" := maximum,
                share_of_total := case when prompts_so_far = all_prompts and all_total > 0 then 1 else least(ratio(total_so_far, all_total), 1) end
            )
            order by bucket
        ) filter (where is_step) as steps,
        1 - sum(total * least(greatest((all_prompts - ceil(all_prompts / 20) - prompts_before) / prompts, 0), 1)) / any_value(all_total) as top5
    from (
        select
            *,
            ceil(200 * prompts_so_far / all_prompts) as part,
            part is distinct from lead(part) over (partition by series_number order by bucket) as is_step
        from placed
    )
    group by series_number
)
select
    labels.series,
    totals.prompts,
    totals.unmeasured,
    (alike.runs_of_a_prompt * totals.repetitions)::bigint as answers_per_prompt,
    alike.runs,
    alike.divided,
    totals.total / nullif(totals.prompts, 0) as mean,
    percentiles.levels[1] as p5,
    percentiles.levels[2] as p25,
    percentiles.levels[3] as p50,
    percentiles.levels[4] as p75,
    percentiles.levels[5] as p90,
    percentiles.levels[6] as p95,
    percentiles.levels[7] as p99,
    totals.minimum,
    totals.maximum,
    totals.least_positive,
    case when totals.total > 0 then curves.top5 when totals.prompts > 0 then 1 end as top5_share,
    [struct_pack(share_of_prompts := 0, "value" := totals.minimum, share_of_total := 0)] || curves.steps as steps
from totals
join labels using (series_number)
join alike using (series_number)
left join percentiles using (series_number)
left join curves using (series_number)
order by p50 nulls last, labels.series
