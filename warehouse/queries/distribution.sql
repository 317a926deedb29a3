-- One row per series of one per-prompt metric: its percentiles over `prompts`, how many are `unmeasured`, and in `steps` the whole distribution, in about
-- 200 steps: `share_of_prompts` have at most `value` and sum up to `share_of_total` of the sum of all; the first step is before the first prompt.
-- `top5_share` is what the largest 5 % sum up to over the sum of all. With $prompt_set only the prompts of that set.
-- Sorting all values would cost most. They are counted in small buckets first; only the buckets in which a wanted rank lies are sorted.
with labels as (
    select distinct
        series_number,
        series
    from selected_series(
        $by, $prompt_set, $models, $gpus, $tasks, $engines, $sources, $batch_sizes, $weights, $only_valid
    )
),
-- Read twice rather than kept: tens of millions of values need not fit in memory.
valued as not materialized (
    select
        series_number,
        value,
        bucket_of(value) as bucket
    from selected_values(
        $metric, $by, $prompt_set, $models, $gpus, $tasks, $engines, $sources, $batch_sizes, $weights, $only_valid
    )
),
counted as (
    select
        series_number,
        bucket,
        count(*) as prompts,
        sum(value) as part
    from valued
    group by
        series_number,
        bucket
),
totals as (
    select
        series_number,
        coalesce(sum(prompts) filter (where bucket is not null), 0)::bigint as prompts,
        coalesce(sum(prompts) filter (where bucket is null), 0)::bigint as unmeasured,
        sum(part) as total
    from counted
    group by series_number
),
placed as (
    select
        series_number,
        bucket,
        (sum(prompts) over up_to - prompts)::bigint as prompts_before,
        coalesce(sum(part) over before, 0) as part_before
    from counted
    where bucket is not null
    window
        up_to as (partition by series_number order by bucket),
        before as (partition by series_number order by bucket rows between unbounded preceding and 1 preceding)
),
-- Percentiles lie between two prompts, on a straight line.
levels as (
    select
        series_number,
        unnest([0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99]) as level,
        level * (prompts - 1) as position,
        floor(position)::bigint + 1 as rank_below,
        ceil(position)::bigint + 1 as rank_above
    from totals
    where prompts > 0
),
wanted as (
    select series_number, ceil(unnest(range(1, 201)) * prompts / 200)::bigint as rank from totals where prompts > 0
    union
    select series_number, prompts - (prompts + 19) // 20 from totals where prompts > 1
    union
    select series_number, 1 from totals where prompts > 0
    union
    select series_number, rank_below from levels
    union
    select series_number, rank_above from levels
),
found as (
    select
        wanted.rank,
        placed.*
    from wanted
    asof join placed
        on placed.series_number = wanted.series_number
        and placed.prompts_before < wanted.rank
),
sorted as (
    select
        series_number,
        bucket,
        value,
        row_number() over rows_before as place,
        sum(value) over rows_before as part
    from valued
    semi join found using (series_number, bucket)
    window rows_before as (partition by series_number, bucket order by value rows between unbounded preceding and current row)
),
ends as (
    select
        found.series_number,
        found.rank,
        sorted.value,
        found.part_before + sorted.part as sum_so_far
    from found
    join sorted using (series_number, bucket)
    where sorted.place = found.rank - found.prompts_before
),
interpolated as (
    select
        levels.series_number,
        levels.level,
        below.value + (above.value - below.value) * (levels.position - floor(levels.position)) as value
    from levels
    join ends as below on below.series_number = levels.series_number and below.rank = levels.rank_below
    join ends as above on above.series_number = levels.series_number and above.rank = levels.rank_above
),
percentiles as (
    select
        series_number,
        max(value) filter (where level = 0.05) as p5,
        max(value) filter (where level = 0.25) as p25,
        max(value) filter (where level = 0.5) as p50,
        max(value) filter (where level = 0.75) as p75,
        max(value) filter (where level = 0.9) as p90,
        max(value) filter (where level = 0.95) as p95,
        max(value) filter (where level = 0.99) as p99
    from interpolated
    group by series_number
),
curves as (
    select
        ends.series_number,
        1 - coalesce(max(sum_so_far) filter (where rank = prompts - (prompts + 19) // 20), 0) / any_value(total) as top5,
        list(
            struct_pack(
                share_of_prompts := rank / prompts,
                "value" := ends.value,
                share_of_total := case when rank = prompts and total > 0 then 1.0 else least(ratio(sum_so_far, total), 1) end
            )
            order by rank
        ) filter (where 200 * rank // prompts > 200 * (rank - 1) // prompts) as steps,
        min(ends.value) as minimum,
        max(ends.value) as maximum
    from ends
    join totals using (series_number)
    group by ends.series_number
)
select
    labels.series,
    totals.prompts,
    totals.unmeasured,
    totals.total / nullif(totals.prompts, 0) as mean,
    percentiles.* exclude (series_number),
    curves.minimum,
    curves.maximum,
    case when totals.total > 0 then curves.top5 when totals.prompts > 0 then 1 end as top5_share,
    [struct_pack(share_of_prompts := 0, "value" := curves.minimum, share_of_total := 0)] || curves.steps as steps
from totals
join labels using (series_number)
left join percentiles using (series_number)
left join curves using (series_number)
order by
    percentiles.p50 nulls last,
    labels.series
