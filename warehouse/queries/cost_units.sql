-- One row per result named in $results (ids, one a line; empty: every selected run of ours), run of its setup and unit: the sums from which
-- E = a + b · input tokens + c · output tokens is fitted. What repeats a run counts with it where $pooled. Only prompts that were alone on the GPU: a divided energy would show
-- the rule by which it was divided. A unit is a prompt; more than 1,000 of them are dealt into 1,000. With $above_idle E is the energy above the power of the idle GPU.
with wanted as (
    select
        'run:' || chosen.run_id as result_id,
        alike.run_number,
        alike.pass_id,
        alike.card,
        alike.harness_version,
        alike.calibration,
        runs.prompt_set,
        own_idle_power(runs.idle_power_w, runs.energy_attribution) as own_idle_power_w
    from selected_runs($selection) as chosen
    join repetitions as named on named.run_number = chosen.run_number
    join repetitions as alike
        on case when $pooled then alike.setup = named.setup else alike.run_number = named.run_number end
        and (alike.valid or not $selection.only_valid)
    join runs on runs.run_number = alike.run_number
    where runs.energy_attribution = 'exclusive'
        and ($results = '' or list_contains(string_split($results, chr(10)), 'run:' || chosen.run_id))
),
answered as (
    select
        wanted.result_id,
        wanted.run_number,
        wanted.pass_id,
        wanted.card,
        wanted.harness_version,
        wanted.calibration,
        (dense_rank() over (order by wanted.prompt_set, requests.prompt_id) - 1) % 1000 as unit,
        requests.input_tokens::double as tokens_in,
        requests.output_tokens::double as tokens_out,
        shown_energy($above_idle, requests.energy_j, requests.latency_s, wanted.own_idle_power_w) as joules
    from requests
    join wanted on wanted.run_number = requests.run_number
    where requests.status = 'ok'
        and (requests.valid or not $selection.only_valid)
        and joules is not null
        and requests.input_tokens is not null
        and requests.output_tokens is not null
)
select
    result_id,
    run_number,
    any_value(pass_id) as pass_id,
    any_value(card) as card,
    any_value(harness_version) as harness_version,
    max(calibration) as calibration,
    unit,
    count(*) as answers,
    sum(tokens_in) as ins,
    sum(tokens_out) as outs,
    sum(joules) as joules,
    sum(tokens_in * tokens_in) as in_in,
    sum(tokens_in * tokens_out) as in_out,
    sum(tokens_out * tokens_out) as out_out,
    sum(tokens_in * joules) as in_joules,
    sum(tokens_out * joules) as out_joules,
    sum(joules * joules) as joules_joules,
    max(tokens_out)::integer as longest
from answered
group by
    result_id,
    run_number,
    unit
order by
    result_id,
    run_number,
    unit
