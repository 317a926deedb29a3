-- One row per result named in $results (ids, one a line), run of its setup, repetition and unit: `answers`, and sums over the answers of the unit in which
-- every prompt counts once, however often the result asked it: an answer weighs by one over how many answers its prompt has, that of a divided window by 1.
-- What repeats a run of ours counts with it where $pooled. A unit is what was measured by itself: a prompt alone on the GPU, or a window whose energy is
-- divided among its prompts (`shared`). Units are dealt into at most 1,000 of either kind, so that a bootstrap costs the same for any number of prompts;
-- up to 1,000 have one each. The same prompt, and a window of the same prompts, is the same unit in every run, so that runs can be drawn together. The
-- energy is `gross`, `above idle` or `above active idle`, as $idle says. Numbers stand for results, prompt sets and pairs of result and run: grouping and
-- sorting answers by names would take most of the time.
with wanted as materialized (
    select
        'run:' || chosen.run_id as result_id,
        dense_rank() over (order by chosen.run_id)::integer as result_number,
        row_number() over (order by chosen.run_id, alike.run_number)::integer as pair,
        dense_rank() over (order by runs.prompt_set)::integer as set_number,
        alike.run_number, alike.pass_id, alike.card, alike.search, alike.calibration,
        runs.energy_attribution is not distinct from 'shared' as shared,
        own_idle_power(idle_power_of($idle, runs.idle_power_w, runs.active_idle_power_w), runs.energy_attribution) as own_idle_power_w
    from repetitions as chosen
    join repetitions as alike
        on case when $pooled then alike.setup = chosen.setup else alike.run_number = chosen.run_number end
        and (alike.valid or not $selection.only_valid)
    join runs on runs.run_number = alike.run_number
    where list_contains(string_split($results, chr(10)), 'run:' || chosen.run_id)
),
answered as materialized (
    select
        wanted.pair, wanted.result_number, wanted.run_number, wanted.set_number, wanted.shared, requests.prompt_id,
        requests.repetition, requests.window_id,
        shown_energy($idle, requests.energy_j, requests.latency_s, wanted.own_idle_power_w) as joules,
        requests.output_tokens,
        requests.input_tokens::bigint + requests.output_tokens as total_tokens,
        requests.output_words,
        requests.output_chars
    from requests
    join wanted on wanted.run_number = requests.run_number
    where requests.status = 'ok'
        and (requests.valid or not $selection.only_valid)
        and joules is not null
),
prompts as (
    select
        result_number,
        set_number,
        prompt_id,
        1 / count(*) as weight,
        (dense_rank() over (order by set_number, prompt_id) - 1) % 1000 as unit
    from answered
    where not shared
    group by result_number, set_number, prompt_id
),
-- The prompts of a window as one number that does not depend on their order.
windows as (
    select
        run_number,
        window_id,
        (dense_rank() over (order by set_number, answered_together) - 1) % 1000 + 1000 as unit
    from (
        select
            run_number,
            window_id,
            any_value(set_number) as set_number,
            sum(hash(prompt_id) % 1000000007) as answered_together
        from (select distinct run_number, window_id, set_number, prompt_id from answered where shared)
        group by run_number, window_id
    )
),
dealt as (
    select
        answered.* exclude (result_number, run_number, set_number, prompt_id, window_id),
        prompts.weight,
        prompts.unit
    from answered
    join prompts
        on prompts.result_number = answered.result_number
        and prompts.set_number = answered.set_number
        and prompts.prompt_id = answered.prompt_id
    where not answered.shared
    union all
    select
        answered.* exclude (result_number, run_number, set_number, prompt_id, window_id),
        1 as weight,
        windows.unit
    from answered
    join windows
        on windows.run_number = answered.run_number
        and windows.window_id is not distinct from answered.window_id
    where answered.shared
),
sums as (
    select
        pair,
        case when not shared then repetition end as repetition,
        unit,
        count(*) as answers,
        sum(weight) as prompts,
        sum(weight * joules) as energy_j,
        sum(weight * output_tokens) as output_tokens,
        sum(weight * total_tokens) as total_tokens,
        sum(weight * output_words) as output_words,
        sum(weight * output_chars) as output_chars
    from dealt
    group by pair, case when not shared then repetition end, unit
)
select
    wanted.result_id, wanted.run_number, wanted.pass_id, wanted.card, wanted.search, wanted.calibration, wanted.shared,
    sums.* exclude (pair)
from sums
join wanted on wanted.pair = sums.pair
order by wanted.result_number, sums.unit, wanted.run_number, sums.repetition
