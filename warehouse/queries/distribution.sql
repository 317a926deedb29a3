-- One row per series of one per-prompt metric: its percentiles over `prompts`, how many are `unmeasured`, and in `steps` the whole distribution, in at most
-- some 200 steps: `share_of_prompts` have at most `value` and sum up to `share_of_total` of the sum of all; the first step is before the first prompt.
-- Every step is exact; two are at most 1.5 % of the prompts, and one prompt, apart. `top5_share` is what the largest 5 % sum up to over the sum of all;
-- `least_positive` is the smallest value above 0. With $prompt_set only the prompts of that set, with $only_series (a JSON list) only those series.
-- Sorting all values would cost most. They are counted in buckets first; sorted are only the buckets in which a percentile lies, or more than 1 % of the
-- prompts. A bucket whose values are all the same needs no sorting, nor does the last rank of any: its value is the largest.
with labels as (
    select
        run_number,
        series_number,
        series
    from selected_series($by, $prompt_set, $only_series, $selection)
),
-- How many buckets lie between a value and e times as much: so many that the middle half of a typical run's prompts lies in more than a hundred of them, and
-- few buckets hold more than 1 %. A time per token needs far finer ones than an energy. A metric that is not summarised is about as wide as its like.
fineness as (
    select least(greatest(120 / nullif(quantile_cont(ln(p75 / p25), 0.25), 0), 100), 100000) as per_fold
    from run_summary
    where metric = coalesce(
        (select any_value(metric) from run_summary where metric = $metric),
        case when contains($metric, '_per_') then 'energy_per_token_j' else 'energy_j' end
    )
        and p25 > 0
),
-- One row where the buckets that the ingest keeps of the energies are fine enough, else none. They have fewer rows than there are prompts.
kept as (
    select per_fold
    from fineness
    where $metric = 'energy_j'
        and per_fold <= 100
),
-- A bucket is a whole number that grows with the value; values that are not positive share one, null has none. That of an energy stands in its row, where it is
-- fine enough: the logarithm costs more than the reading. Read twice rather than kept: tens of millions of values need not fit in memory.
valued as not materialized (
    select
        run_number,
        series_number,
        value,
        case
            when $metric = 'energy_j' and per_fold <= 100 then energy_bucket
            when value > 0 then (per_fold * ln(value))::integer
            when value is not null then -100000000
        end as bucket
    from fineness
    cross join selected_values($metric, $by, $prompt_set, $only_series, $selection)
),
-- Where the buckets are kept, the second part is a product with nothing, made first: DuckDB gives up reading the prompts for it.
counted as (
    select
        labels.series_number,
        energy_buckets.bucket,
        sum(energy_buckets.prompts)::bigint as prompts,
        sum(energy_buckets.energy_j) as part,
        min(energy_buckets.minimum_j) as minimum,
        max(energy_buckets.maximum_j) as maximum
    from energy_buckets
    join labels using (run_number)
    where exists (from kept)
        and (energy_buckets.valid or not $selection.only_valid)
    group by
        labels.series_number,
        energy_buckets.bucket
    union all
    select
        valued.series_number,
        valued.bucket,
        count(*),
        sum(valued.value),
        min(valued.value),
        max(valued.value)
    from valued
    cross join (select 1 where not exists (from kept)) as unkept
    group by
        valued.series_number,
        valued.bucket
),
totals as (
    select
        series_number,
        coalesce(sum(prompts) filter (where bucket is not null), 0)::bigint as prompts,
        coalesce(sum(prompts) filter (where bucket is null), 0)::bigint as unmeasured,
        sum(part) as total,
        min(minimum) as minimum,
        min(minimum) filter (where minimum > 0) as least_positive,
        max(maximum) as maximum
    from counted
    group by series_number
),
placed as (
    select
        series_number,
        bucket,
        prompts as bucket_prompts,
        part as bucket_part,
        minimum as bucket_minimum,
        maximum as bucket_maximum,
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
-- The ranks of the curve may move to the end of their bucket, the others are needed as they are.
wanted as (
    select
        series_number,
        rank,
        bool_or(is_fixed) as is_fixed,
        bool_or(not is_fixed) as is_of_curve
    from (
        select series_number, ceil(unnest(range(1, 201)) * prompts / 200)::bigint as rank, false as is_fixed from totals where prompts > 0
        union all
        select series_number, prompts - (prompts + 19) // 20, true from totals where prompts > 1
        union all
        select series_number, rank_below, true from levels
        union all
        select series_number, rank_above, true from levels
    )
    group by
        series_number,
        rank
),
found as (
    select
        wanted.rank,
        wanted.is_fixed,
        wanted.is_of_curve,
        placed.*,
        bucket_minimum = bucket_maximum as is_one_value,
        wanted.rank = prompts_before + bucket_prompts as is_last,
        bucket_prompts * 100 > totals.prompts as is_large
    from wanted
    asof join placed
        on placed.series_number = wanted.series_number
        and placed.prompts_before < wanted.rank
    join totals on totals.series_number = wanted.series_number
),
refined as (
    select
        series_number,
        bucket
    from found
    where not is_one_value
    group by
        series_number,
        bucket
    having bool_or(is_large or (is_fixed and not is_last))
),
-- Series and bucket as one whole number: DuckDB finds a few of them among ten million rows in a third of the time that two columns take.
bases as (
    select
        series_number,
        series_number * width - least_bucket as base
    from (select distinct series_number from labels)
    cross join (select min(bucket) as least_bucket, (max(bucket) - min(bucket) + 1)::bigint as width from counted)
),
bases_of_runs as (
    select
        labels.run_number,
        bases.base
    from labels
    join bases using (series_number)
),
keyed as (
    select
        bases_of_runs.base + valued.bucket as key,
        valued.value
    from valued
    join (select distinct bucket from refined) as candidates using (bucket)
    join bases_of_runs using (run_number)
),
sorted as (
    select
        keys.series_number,
        keys.bucket,
        keyed.value,
        row_number() over rows_before as place,
        sum(keyed.value) over rows_before as part
    from keyed
    join (
        select
            refined.series_number,
            refined.bucket,
            bases.base + refined.bucket as key
        from refined
        join bases using (series_number)
    ) as keys using (key)
    window rows_before as (partition by key order by keyed.value rows between unbounded preceding and current row)
),
ends as (
    select
        found.series_number,
        case when found.is_one_value or sorted.place is not null then found.rank else found.prompts_before + found.bucket_prompts end as end_rank,
        bool_or(found.is_of_curve) as is_of_curve,
        any_value(coalesce(sorted.value, found.bucket_maximum)) as value,
        any_value(
            found.part_before + case
                when sorted.place is not null then sorted.part
                when found.is_one_value then (found.rank - found.prompts_before) * found.bucket_minimum
                else found.bucket_part
            end
        ) as sum_so_far
    from found
    left join sorted
        on sorted.series_number = found.series_number
        and sorted.bucket = found.bucket
        and sorted.place = found.rank - found.prompts_before
    group by
        found.series_number,
        end_rank
),
interpolated as (
    select
        levels.series_number,
        levels.level,
        below.value + (above.value - below.value) * (levels.position - floor(levels.position)) as value
    from levels
    join ends as below on below.series_number = levels.series_number and below.end_rank = levels.rank_below
    join ends as above on above.series_number = levels.series_number and above.end_rank = levels.rank_above
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
        1 - coalesce(max(sum_so_far) filter (where end_rank = prompts - (prompts + 19) // 20), 0) / any_value(total) as top5,
        list(
            struct_pack(
                share_of_prompts := end_rank / prompts,
                "value" := ends.value,
                share_of_total := case when end_rank = prompts and total > 0 then 1.0 else least(ratio(sum_so_far, total), 1) end
            )
            order by end_rank
        ) filter (where is_of_curve) as steps
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
    totals.minimum,
    totals.maximum,
    totals.least_positive,
    case when totals.total > 0 then curves.top5 when totals.prompts > 0 then 1 end as top5_share,
    [struct_pack(share_of_prompts := 0, "value" := totals.minimum, share_of_total := 0)] || curves.steps as steps
from totals
join (select distinct series_number, series from labels) as labels using (series_number)
left join percentiles using (series_number)
left join curves using (series_number)
order by
    percentiles.p50 nulls last,
    labels.series
