-- One row per series and step of the distribution of one per-prompt metric: the prompts in order of their values, at every half percent.
-- `share_of_prompts` have at most `value` and sum up to `share_of_total` of the sum of all; the largest 5 % sum up to `top5_share` of it. The first step is
-- before the first prompt, at the smallest value. With $prompt_set only the prompts of that set.
-- Sorting all values would cost most. They are counted in small buckets first; only the buckets in which a step ends are sorted.
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
    where value is not null
),
counted as (
    select
        series_number,
        bucket,
        count(*) as prompts,
        sum(value) as part,
        min(value) as least
    from valued
    group by
        series_number,
        bucket
),
placed as (
    select
        *,
        sum(prompts) over up_to - prompts as prompts_before,
        coalesce(sum(part) over before, 0) as part_before,
        sum(prompts) over series as all_prompts,
        sum(part) over series as all_parts,
        min(least) over series as least_of_all
    from counted
    window
        series as (partition by series_number),
        up_to as (partition by series_number order by bucket),
        before as (partition by series_number order by bucket rows between unbounded preceding and 1 preceding)
),
-- The last prompt of each step, and the last that is not of the largest 5 %.
wanted as (
    select
        series_number,
        unnest(
            list_distinct(
                list_transform(range(1, 201), lambda step: ceil(step * all_prompts / 200)::bigint) || [(all_prompts - ceil(0.05 * all_prompts))::bigint]
            )
        ) as rank
    from placed
    group by
        series_number,
        all_prompts
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
        series_number,
        rank,
        sorted.value,
        all_prompts,
        all_parts,
        least_of_all,
        part_before + sorted.part as sum_so_far
    from found
    join sorted using (series_number, bucket)
    where place = rank - prompts_before
),
steps as (
    select
        series_number,
        rank / all_prompts as share_of_prompts,
        value,
        case when rank = all_prompts and all_parts > 0 then 1.0 else least(ratio(sum_so_far, all_parts), 1) end as share_of_total
    from ends
    union all
    select distinct
        series_number,
        0,
        least_of_all,
        0
    from ends
),
largest as (
    select
        series_number,
        coalesce(
            1 - ratio(coalesce(max(sum_so_far) filter (where rank = all_prompts - ceil(0.05 * all_prompts)), 0), any_value(all_parts)),
            1
        ) as top5_share
    from ends
    group by series_number
)
select
    series,
    share_of_prompts,
    value,
    share_of_total,
    top5_share
from steps
join labels using (series_number)
join largest using (series_number)
order by
    series,
    share_of_prompts
