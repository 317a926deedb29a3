-- One row per result named in $results (ids, one a line), run of its setup, repetition and unit: sums over the answers of the unit. What repeats a run
-- of ours counts with it where $pooled. A unit is what was measured by itself: a prompt alone on the GPU, or a window whose energy is divided among its prompts (`shared`).
-- Units are dealt into at most 1,000 of either kind, so that a bootstrap costs the same for any number of prompts; up to 1,000 have one each. The same prompt,
-- and a window of the same prompts, is the same unit in every run, so that runs can be drawn together.
-- With $above_idle the energy is that above the power of the idle GPU.
with wanted as (
    select
        'run:' || chosen.run_id as result_id,
        alike.run_number,
        alike.pass_id,
        alike.card,
        alike.calibration,
        runs.prompt_set,
        runs.energy_attribution is not distinct from 'shared' as shared,
        own_idle_power(runs.idle_power_w, runs.energy_attribution) as own_idle_power_w
    from repetitions as chosen
    join repetitions as alike
        on case when $pooled then alike.setup = chosen.setup else alike.run_number = chosen.run_number end
        and (alike.valid or not $selection.only_valid)
    join runs on runs.run_number = alike.run_number
    where list_contains(string_split($results, chr(10)), 'run:' || chosen.run_id)
),
answered as (
    select
        wanted.* exclude (own_idle_power_w),
        requests.prompt_id,
        requests.repetition,
        requests.window_id,
        shown_energy($above_idle, requests.energy_j, requests.latency_s, wanted.own_idle_power_w) as joules,
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
alone as (
    select
        *,
        (dense_rank() over (order by prompt_set, prompt_id) - 1) % 1000 as unit
    from answered
    where not shared
),
-- The prompts of a window as one number that does not depend on their order.
windows as (
    select
        run_number,
        window_id,
        (dense_rank() over (order by prompt_set, answered_together) - 1) % 1000 + 1000 as unit
    from (
        select
            run_number,
            window_id,
            any_value(prompt_set) as prompt_set,
            sum(hash(prompt_id) % 1000000007) as answered_together
        from (select distinct run_number, window_id, prompt_set, prompt_id from answered where shared)
        group by
            run_number,
            window_id
    )
),
divided as (
    select
        answered.*,
        windows.unit
    from answered
    join windows
        on windows.run_number = answered.run_number
        and windows.window_id is not distinct from answered.window_id
    where answered.shared
)
select
    result_id,
    run_number,
    any_value(pass_id) as pass_id,
    any_value(card) as card,
    any_value(calibration) as calibration,
    any_value(shared) as shared,
    case when not shared then repetition end as repetition,
    unit,
    count(*) as prompts,
    sum(joules) as energy_j,
    sum(output_tokens)::bigint as output_tokens,
    sum(total_tokens)::bigint as total_tokens,
    sum(output_words)::bigint as output_words,
    sum(output_chars)::bigint as output_chars
from (
    select * from alone
    union all
    select * from divided
)
group by
    result_id,
    run_number,
    shared,
    case when not shared then repetition end,
    unit
order by
    result_id,
    unit,
    run_number,
    repetition
