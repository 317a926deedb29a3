-- One row per result named in $results (ids, one a line; empty: every selected run of ours), run of its setup and unit: the sums from which
-- E = a + b · input tokens + c · output tokens is fitted. What repeats a run counts with it where $pooled. Only prompts that were alone on the GPU: a
-- divided energy would show the rule by which it was divided. A unit is a prompt; more than 1,000 of them are dealt into 1,000. E is above the idle power
-- that $idle names. Numbers stand for results, prompt sets and pairs of result and run, and the runs are known before prompts are read: names, and prompts
-- of other runs, would take most of the time.
with wanted as materialized (
    select
        'run:' || chosen.run_id as result_id,
        dense_rank() over (order by chosen.run_id)::integer as result_number,
        row_number() over (order by chosen.run_id, alike.run_number)::integer as pair,
        dense_rank() over (order by runs.prompt_set)::integer as set_number,
        alike.run_number, alike.pass_id, alike.card, alike.search, alike.harness_version, alike.calibration,
        own_idle_power(idle_power_of($idle, runs.idle_power_w, runs.active_idle_power_w), runs.energy_attribution) as own_idle_power_w
    from selected_runs($selection) as chosen
    join repetitions as named on named.run_number = chosen.run_number
    join repetitions as alike
        on case when $pooled then alike.setup = named.setup else alike.run_number = named.run_number end
        and (alike.valid or not $selection.only_valid)
    join runs on runs.run_number = alike.run_number
    where runs.energy_attribution = 'exclusive'
        and ($results = '' or list_contains(string_split($results, chr(10)), 'run:' || chosen.run_id))
),
answered as materialized (
    select
        wanted.pair,
        wanted.set_number,
        requests.prompt_id,
        requests.input_tokens::double as tokens_in,
        requests.output_tokens::double as tokens_out,
        shown_energy($idle, requests.energy_j, requests.latency_s, wanted.own_idle_power_w) as joules
    from requests
    join wanted on wanted.run_number = requests.run_number
    where requests.status = 'ok'
        and (requests.valid or not $selection.only_valid)
        and joules is not null
        and requests.input_tokens is not null
        and requests.output_tokens is not null
),
prompts as (
    select
        set_number,
        prompt_id,
        (row_number() over (order by set_number, prompt_id) - 1) % 1000 as unit
    from (select distinct set_number, prompt_id from answered)
),
sums as (
    select
        answered.pair,
        prompts.unit,
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
    join prompts
        on prompts.set_number = answered.set_number
        and prompts.prompt_id = answered.prompt_id
    group by answered.pair, prompts.unit
)
select
    wanted.result_id, wanted.run_number, wanted.pass_id, wanted.card, wanted.search, wanted.harness_version,
    wanted.calibration,
    sums.* exclude (pair)
from sums
join wanted on wanted.pair = sums.pair
order by wanted.result_number, wanted.run_number, sums.unit
