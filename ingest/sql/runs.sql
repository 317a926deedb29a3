-- What is computed of each touched run.

-- name: slices
-- One row per slice of the touched runs, about $rows rows each: its first and its last run. Exact percentiles keep every value in memory, so a slice at a
-- time; a slice is a range, so that DuckDB skips the rows of the others.
with sized as (
    select
        run_id,
        count(*) as rows
    from requests
    where run_id in (select run_id from touched)
    group by run_id
),
sliced as (
    select
        run_id,
        (sum(rows) over (order by run_id) - rows) // $rows as slice
    from sized
)
select
    min(run_id) as first_run,
    max(run_id) as last_run
from sliced
group by slice
order by slice

-- name: runs_between
-- One row per touched run of a range.
select run_id
from touched
where run_id between $first and $last
order by run_id

-- name: files_of_run
-- One row per file with a number above $before that has rows of a run.
select distinct path
from requests
join ingested_files using (file_id)
where run_id = $run_id
    and file_id > $before

-- name: runs
-- One row per touched run from $first to $last: its setup, its totals over valid rows, the balance of run.json, its verdict.
insert into runs by name
with counted as (
    select
        requests.run_id,
        any_value(requests.run_number) as run_number,
        min(requests.file_id) as file_id,
        any_value(requests.model_id) as loaded_model_id,
        any_value(columns(getvariable('setup'))),
        -- A server answers as many at once as are in flight; another tool may not say how many that were.
        case
            when any_value(requests.device) <> 'server' or any_value(requests.concurrency) is not null
                then greatest(any_value(requests.batch_size), any_value(requests.concurrency))
        end as batch_size,
        min(requests.started_at) as started_at,
        max(requests.started_at + to_microseconds(round(1e6 * coalesce(requests.latency_s, 0))::bigint)) as ended_at,
        max(requests.environment) filter (where contains(requests.environment, '"clock"')) as clocked,
        bool_or(requests.device <> 'server' and (contains(requests.environment, '"gpu_shared": true') or requests.other_processes > 0)) as accompanied,
        count(*) as prompts,
        count(*) filter (where status = 'ok') as ok,
        count(*) filter (where status = 'failed') as failed,
        count(*) filter (where valid) as counted,
        count(energy_j) filter (where valid) as measured,
        count(energy_j) filter (where valid and not list_contains(reasons, 'not-resolved')) as resolved,
        count(requests.prompt_text) as texts,
        count(*) filter (where status = 'ok' and finish_reason = 'length') as truncated,
        count(*) filter (where status = 'ok' and throttled) as throttled,
        case when count(power_capped) > 0 then count(*) filter (where status = 'ok' and power_capped) end as power_capped,
        count(*) filter (where list_contains(reasons, 'cold')) as cold,
        count(*) filter (where status = 'ok' and list_contains(reasons, 'looped')) as looped,
        count(*) filter (where status = 'ok' and list_has_any(reasons, ['busy-neighbour', 'busy-host'])) as beside_busy,
        histogram(requests.energy_reason) as causes,
        sum(energy_j) filter (where valid) as energy_j_total,
        sum(output_tokens) filter (where valid and energy_j is not null) as measured_output_tokens_total,
        sum(latency_s) filter (where valid and energy_j is not null) as measured_latency_s_total,
        max(repetition) + 1 as answers_per_prompt,
        count(*) filter (where valid and energy_j is not null and output_tokens is not null) as alone,
        power_sums(
            case when valid and output_tokens is not null then energy_j end,
            case when valid and energy_j is not null then output_tokens::double end
        ) as powers,
        stddev_samp(case when energy_j > 0 then ln(energy_j) end) filter (where valid and output_tokens is not null) as log_spread,
        sum(output_tokens) filter (where valid) as output_tokens_total,
        sum(latency_s) filter (where valid) as latency_s_total
    from requests
    where requests.run_id between $first and $last
        and requests.run_id in (select run_id from touched)
    group by requests.run_id
),
gaps as (
    select
        run_id,
        quantile_cont(gap, [0.5, 0.99]) as levels,
        -- Where tokens come in bursts most gaps are those of a loop over one chunk: their median is no time between tokens.
        case when levels[1] >= avg(gap) / 10 then levels[1] end as itl_p50_s,
        levels[2] as itl_p99_s
    from (
        select
            run_id,
            unnest(itl_s) as gap
        from requests
        where valid
            and run_id between $first and $last
            and run_id in (select run_id from touched)
    )
    group by run_id
),
-- Requests that share a window overlap: its time counts once, from the first start to the last end.
windows as (
    select
        run_id,
        case
            when bool_or(batch_size > 1 or concurrency > 1)
                then date_diff(
                    'microseconds',
                    min(started_at),
                    max(started_at + to_microseconds(round(1e6 * latency_s)::bigint))
                ) / 1e6
        end as seconds,
        sum(energy_j) as joules,
        sum(output_tokens) filter (where energy_j is not null)::double as tokens
    from requests
    where valid
        and (batch_size > 1 or concurrency > 1 or energy_attribution = 'shared')
        and window_id is not null
        and run_id between $first and $last
        and run_id in (select run_id from touched)
    group by run_id, window_id
),
busy as (
    select
        run_id,
        sum(seconds) as seconds,
        count(joules) as units,
        power_sums(joules, tokens) as powers
    from windows
    group by run_id
),
-- Requests of other tools have no windows. Where several may be in flight their latencies overlap: each adds the time after those that began before it.
in_flight as (
    select
        run_id,
        started_at,
        started_at + to_microseconds(round(1e6 * latency_s)::bigint) as ended_at,
        greatest(
            started_at,
            max(ended_at) over (partition by run_id order by started_at, sequence rows between unbounded preceding and 1 preceding)
        ) as free_at
    from requests
    where valid
        and window_id is null
        and latency_s is not null
        and (batch_size > 1 or concurrency > 1 or (concurrency is null and device = 'server'))
        and run_id between $first and $last
        and run_id in (select run_id from touched)
),
answering as (
    select
        run_id,
        count(distinct started_at) = 1 and count(*) > 1 as started_together,
        sum(date_diff('microseconds', free_at, ended_at)) filter (where ended_at > free_at) / 1e6 as seconds
    from in_flight
    group by run_id
),
-- What several of the numbers below are made of, once: a name that stands for an expression is replaced by a copy of it wherever it is used. Two joins
-- find the canonical model; `canonical_model` says the same, and costs as much as all other joins here.
joined as (
    select
        counted.*,
        clock_of(counted.clocked) as clock,
        -- Energy that a rule divided was measured window by window, not answer by answer.
        counted.energy_attribution is not distinct from 'shared' as divided,
        busy.seconds as windows_s,
        busy.units as windows,
        busy.powers as powers_of_windows,
        answering.run_id as overlapping,
        answering.started_together,
        answering.seconds as answering_s,
        coalesce(by_id.model_id, by_name.model_id, counted.loaded_model_id) as model_id,
        coalesce(getvariable('sources')[ingested_files.format], ingested_files.format) as source,
        gaps.itl_p50_s, gaps.itl_p99_s, run_notes.balance_counter_j, run_notes.balance_windows_j,
        run_notes.balance_gaps_j, run_notes.balance_ratio, run_notes.counter_step_s, run_notes.finished
    from counted
    join ingested_files using (file_id)
    left join gaps using (run_id)
    left join busy using (run_id)
    left join answering using (run_id)
    left join run_notes using (run_id)
    left join model_aliases as by_id on by_id.alias = lower(counted.loaded_model_id)
    left join model_aliases as by_name on by_name.alias = lower(counted.model_name)
),
in_units as (
    select
        *,
        case when divided then windows else alone end as units,
        case when divided then 1 else answers_per_prompt end as alike,
        case when divided then powers_of_windows else powers end as unit_powers,
        case when energy_j_total > 0 then case when divided then windows else alone // answers_per_prompt end end as token_units
    from joined
),
judged as (
    select
        -- Files of record version 1 have top-k in their environment, and there only when it was on.
        * exclude (
            file_id, clocked, causes, alone, powers, log_spread, divided, windows_s, windows, powers_of_windows, overlapping, started_together,
            answering_s, units, alike, unit_powers
        )
        replace (
            coalesce(top_k, try_cast(try_cast(environment as json) ->> '$.top_k' as integer)) as top_k,
            engine_name(run_id, engine, environment) as engine,
            set_of(prompt_set_sha256) as prompt_set_sha256,
            -- Requests sent at a rate pile up in the server: their mean number in flight counts. The concurrency is only an upper limit. A tool without a
            -- rate writes "inf".
            case
                when try_cast(try_cast(environment as json) ->> '$.request_rate' as double) < 'inf'::double
                    and coalesce(windows_s, case when clock <> 'time of the file' and not started_together then answering_s end) > 0
                    then least(batch_size, greatest(1, round(latency_s_total / coalesce(windows_s, answering_s))::integer))
                else batch_size
            end as batch_size
        ),
        -- The most frequent reason; of several equally frequent ones the first by alphabet: the keys of a histogram are sorted.
        case
            when measured = 0 then map_keys(causes)[list_position(map_values(causes), list_max(map_values(causes)))]
        end as energy_reason,
        case
            when windows_s is not null then windows_s
            when overlapping is null then latency_s_total
            -- A file without starts gives all of its requests one time. Its tool may say how long the run took.
            when clock = 'time of the file' or (clock <> 'UTC' and started_together)
                then nullif(try_cast(try_cast(environment as json) ->> '$.duration' as double), 0)
            else answering_s
        end as busy_s_total,
        -- Answers to one prompt count as one: how much they are alike nobody knows here.
        case
            when divided or enough_units(token_units, log_spread, power(energy_j_total, 2) / nullif(powers.uu, 0))
                then log_error_of_ratio(units, alike, energy_j_total, measured_output_tokens_total, unit_powers)
        end as token_log_error,
        case when gpu_model is null and device = 'server' then 'unknown' else gpu_label(gpu_model) end as gpu,
        draws_one_by_one(in_units.engine, concurrency, harness_version, environment) as seeded
    from in_units
),
with_reasons as (
    select
        * exclude (seeded, accompanied),
        run_reasons(
            prompts, ok, counted, measured, resolved, throttled, truncated, power_capped, cold, looped, beside_busy, accompanied, seeded, finished,
            weights, balance_ratio, idle_power_w
        ) as reasons,
        card_of(environment) as card,
        try_cast(environment as json) ->> '$.gpus[0].power_limit_w' as power_limit_w,
        try_cast(environment as json) ->> '$.kernels.hash' as kernels,
        try_cast(environment as json) ->> '$.request_seed' as request_seed,
        try_cast(environment as json) ->> '$.request_rate' as request_rate,
        try_cast(environment as json) ->> '$.server_setup.attention_backend' as attention_backend,
        server_options(environment) as server_options
    from judged
)
select
    *,
    run_is_valid(reasons) as valid,
    md5(
        concat_ws(
            chr(10),
            source,
            model_id,
            coalesce(model_revision, ''),
            weights,
            coalesce(weights_format, ''),
            coalesce(dtype, ''),
            gpu,
            coalesce(num_gpus, 0),
            coalesce(task, ''),
            coalesce(engine, ''),
            coalesce(engine_version, ''),
            coalesce(batch_size, 0),
            coalesce(concurrency, 0),
            coalesce(prompt_set_sha256, prompt_set, ''),
            coalesce(max_new_tokens, 0),
            coalesce(temperature, -1),
            coalesce(top_p, 1),
            coalesce(top_k, 0),
            coalesce(repetition_penalty, 1),
            coalesce(prompt_template, ''),
            coalesce(harness_version, ''),
            coalesce(energy_source, ''),
            coalesce(energy_edges, ''),
            coalesce(energy_attribution, ''),
            coalesce(power_limit_w, ''),
            coalesce(request_seed, ''),
            coalesce(request_rate, ''),
            coalesce(attention_backend, ''),
            server_options
        )
    ) as setup
from with_reasons

-- name: run_summary
-- One row per touched run from $first to $last and per-prompt metric: its distribution over valid rows that have it.
-- Idle power comes out of a list by the number of the run and not by a join, which may change the order of the rows and with it the last digit of a mean.
insert into run_summary by name
with idle as (
    select
        list(own_idle_power(runs.idle_power_w, runs.energy_attribution) order by numbers.run_number) as powers_w,
        list(own_idle_power(runs.active_idle_power_w, runs.energy_attribution) order by numbers.run_number) as active_powers_w
    from range(1, (select max(run_number) + 1 from runs)) as numbers (run_number)
    left join runs on runs.run_number = numbers.run_number
),
answers as (
    select
        requests.*,
        above_idle(requests.energy_j, requests.latency_s, idle.powers_w[requests.run_number]) as energy_above_idle_j,
        above_idle(requests.energy_j, requests.latency_s, idle.active_powers_w[requests.run_number]) as energy_above_active_idle_j
    from measured_requests as requests
    cross join idle
    where requests.valid
        and requests.run_id between $first and $last
        and requests.run_id in (select run_id from touched)
),
-- Energies divided as `divided_energy` says, a column each: a struct of them that is unnested takes DuckDB ten times as long to plan.
metrics as (
    select
        run_id,
        columns(getvariable('prompt_metrics'))::double,
        energy_error_j, energy_above_idle_j, energy_above_active_idle_j,
        ratio(energy_j, input_tokens::bigint + output_tokens) as energy_mean_per_total_token_j,
        ratio(energy_j, output_chars) as energy_mean_per_character_j,
        ratio(energy_above_idle_j, output_tokens) as energy_above_idle_mean_per_output_token_j,
        ratio(energy_above_idle_j, input_tokens::bigint + output_tokens) as energy_above_idle_mean_per_total_token_j,
        ratio(energy_above_idle_j, output_words) as energy_above_idle_mean_per_word_j,
        ratio(energy_above_idle_j, output_chars) as energy_above_idle_mean_per_character_j,
        ratio(energy_above_active_idle_j, output_tokens) as energy_above_active_idle_mean_per_output_token_j,
        ratio(energy_above_active_idle_j, input_tokens::bigint + output_tokens) as energy_above_active_idle_mean_per_total_token_j,
        ratio(energy_above_active_idle_j, output_words) as energy_above_active_idle_mean_per_word_j,
        ratio(energy_above_active_idle_j, output_chars) as energy_above_active_idle_mean_per_character_j
    from answers
),
-- A column a metric: one pass over the answers.
summed as (
    select
        run_id,
        struct_pack(
            prompts := count(columns(* exclude run_id)),
            mean := avg(columns(* exclude run_id)),
            stddev := stddev_samp(columns(* exclude run_id)),
            minimum := min(columns(* exclude run_id)),
            levels := quantile_cont(columns(* exclude run_id), [0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99]),
            maximum := max(columns(* exclude run_id))
        )
    from metrics
    group by run_id
)
select
    run_id, metric, numbers.prompts, numbers.mean, numbers.stddev, numbers.minimum,
    numbers.levels[1] as p5,
    numbers.levels[2] as p25,
    numbers.levels[3] as p50,
    numbers.levels[4] as p75,
    numbers.levels[5] as p90,
    numbers.levels[6] as p95,
    numbers.levels[7] as p99,
    numbers.maximum
from (unpivot summed on columns(* exclude run_id) into name metric value numbers)
where numbers.prompts > 0

-- name: runs_alike
-- One row per run of the setups of some runs.
select alike.run_id
from repetitions as alike
where alike.setup in (select setup from repetitions where list_contains($touched, run_id))

-- name: uneven_possible
-- Whether any setup may have asked its prompts unequally often: there are several runs, or one with several answers to a prompt.
select count(*) > 1 or coalesce(max(answers_per_prompt), 1) > 1 as possible
from runs

-- name: evened_gone
-- Forget what is kept of the setups of some runs, and of runs that are no more.
delete from evened
where run_id not in (select run_id from runs)
    or run_id in (
        select alike.run_id
        from repetitions as alike
        where alike.setup in (select setup from repetitions where list_contains($touched, run_id))
    )

-- name: evened
-- One row per run of a setup of some runs whose prompts were asked unequally often; docs/statistics.md says why. Most setups are known to be even by one pass
-- over their prompts without a group for each: each of their runs asked the same ones as often.
insert into evened by name
with alike as materialized (
    select
        repetitions.run_number,
        repetitions.run_id,
        dense_rank() over (order by repetitions.setup) as setup_number,
        own_idle_power(runs.idle_power_w, runs.energy_attribution) as idle_power_w,
        own_idle_power(runs.active_idle_power_w, runs.energy_attribution) as active_idle_power_w,
        runs.busy_s_total = runs.latency_s_total as one_by_one
    from repetitions
    join runs on runs.run_number = repetitions.run_number
    where repetitions.valid
        and runs.energy_attribution is distinct from 'shared'
        and repetitions.setup in (select setup from repetitions where list_contains($touched, run_id))
    qualify count(*) over (partition by repetitions.setup) > 1 or max(runs.answers_per_prompt) over (partition by repetitions.setup) > 1
),
asked as (
    select
        requests.run_number,
        count(*) as answers,
        max(requests.repetition) + 1 as times,
        sum(hash(requests.prompt_id)::hugeint) as which
    from requests
    join alike on alike.run_number = requests.run_number
    where requests.valid
    group by requests.run_number
),
doubtful as (
    select alike.setup_number
    from alike
    join asked on asked.run_number = alike.run_number
    group by alike.setup_number
    having count(distinct (asked.answers, asked.which)) > 1 or max(asked.times) > 1
),
counts as (
    select
        alike.setup_number,
        requests.prompt_id,
        count(*) as answers
    from requests
    join alike on alike.run_number = requests.run_number
    where requests.valid
        and alike.setup_number in (select setup_number from doubtful)
    group by alike.setup_number, requests.prompt_id
),
uneven as (
    select
        setup_number,
        sum(answers) / count(*) as per_prompt
    from counts
    group by setup_number
    having min(answers) != max(answers)
),
weighed as (
    select
        requests.*,
        alike.idle_power_w as own_idle_power_w,
        alike.active_idle_power_w as own_active_idle_power_w,
        alike.one_by_one,
        uneven.per_prompt / counts.answers as weight
    from measured_requests as requests
    join alike on alike.run_number = requests.run_number
    join uneven on uneven.setup_number = alike.setup_number
    join counts
        on counts.setup_number = alike.setup_number
        and counts.prompt_id = requests.prompt_id
    where requests.valid
)
select
    run_id,
    sum(weight) as answers,
    sum(weight * output_tokens) as output_tokens,
    sum(weight * input_tokens) as input_tokens,
    sum(weight * latency_s) as latency_s,
    case when any_value(one_by_one) then sum(weight * latency_s) end as busy_s,
    coalesce(sum(weight) filter (where ttft_s is not null), 0) as ttfts,
    sum(weight * ttft_s) as ttft_s,
    coalesce(sum(weight) filter (where tpot_s is not null), 0) as tpots,
    sum(weight * tpot_s) as tpot_s,
    coalesce(sum(weight) filter (where energy_j is not null), 0) as measured,
    sum(weight * energy_j) as energy_j,
    sum(weight * above_idle(energy_j, latency_s, own_idle_power_w)) as energy_above_idle_j,
    sum(weight * above_idle(energy_j, latency_s, own_active_idle_power_w)) as energy_above_active_idle_j,
    sum(weight * output_tokens) filter (where energy_j is not null) as measured_output_tokens,
    sum(weight * (input_tokens::bigint + output_tokens)) filter (where energy_j is not null) as measured_total_tokens,
    sum(weight * output_words) filter (where energy_j is not null) as measured_words,
    sum(weight * output_chars) filter (where energy_j is not null) as measured_chars,
    sum(weight * latency_s) filter (where energy_j is not null) as measured_latency_s
from weighed
group by run_id

-- name: setup_summary_gone
-- Forget the percentiles of the setups of some runs, and of setups that are no more.
delete from setup_summary
where setup not in (select setup from repetitions)
    or setup in (select setup from repetitions where list_contains($touched, run_id))

-- name: setup_slices
-- One row per slice of the setups of some runs that have percentiles of their own, about $rows rows each: its first and its last setup. As `slices`.
with sized as (
    select
        repetitions.setup,
        sum(runs.counted) as rows
    from repetitions
    join runs on runs.run_number = repetitions.run_number
    where repetitions.setup in (select setup from repetitions where list_contains($touched, run_id))
    group by repetitions.setup
    having count(*) > 1 or bool_or(repetitions.run_id in (select run_id from evened))
),
sliced as (
    select
        setup,
        (sum(rows) over (order by setup) - rows) // $rows as slice
    from sized
)
select
    min(setup) as first_setup,
    max(setup) as last_setup
from sliced
group by slice
order by slice

-- name: counted_together
-- The runs of the setups from $first to $last that have percentiles of their own, of their valid runs, or of all: as `alike`.
create or replace temp table alike as
with known as (
    select
        repetitions.setup,
        repetitions.run_number,
        repetitions.valid,
        repetitions.run_id in (select run_id from evened) as evened,
        runs.energy_attribution is not distinct from 'shared' as shared,
        own_idle_power(runs.idle_power_w, runs.energy_attribution) as idle_power_w,
        own_idle_power(runs.active_idle_power_w, runs.energy_attribution) as active_idle_power_w
    from repetitions
    join runs on runs.run_number = repetitions.run_number
    where repetitions.setup between $first and $last
        and repetitions.setup in (select setup from repetitions where list_contains($touched, run_id))
),
counting as (
    select
        *,
        true as only_valid,
        bool_or(evened) over (partition by setup) as uneven
    from known
    where valid
    qualify count(*) over (partition by setup) > 1 or uneven
    union all
    -- How often an invalid run asked which prompt nobody counted.
    select
        *,
        false as only_valid,
        not shared as uneven
    from known
    qualify count(*) over (partition by setup) > 1 and not bool_and(valid) over (partition by setup)
)
select
    *,
    dense_rank() over (order by setup, only_valid)::integer as setup_number
from counting

-- name: setup_summary
-- One row per setup of `alike` whose prompts were all asked as often, and energy of an answer: each answer counts alike.
insert into setup_summary by name
with parts as (
    select
        alike.setup_number,
        requests.energy_j, requests.energy_per_token_j, requests.energy_per_word_j,
        above_idle(requests.energy_j, requests.latency_s, alike.idle_power_w) as energy_above_idle_j,
        above_idle(requests.energy_j, requests.latency_s, alike.active_idle_power_w) as energy_above_active_idle_j,
        requests.input_tokens, requests.output_tokens, requests.output_words, requests.output_chars
    from measured_requests as requests
    join alike on alike.run_number = requests.run_number
    where requests.valid
        and not alike.uneven
),
answers as (
    select
        setup_number, energy_j, energy_per_token_j, energy_per_word_j, energy_above_idle_j, energy_above_active_idle_j,
        ratio(energy_j, input_tokens::bigint + output_tokens) as energy_mean_per_total_token_j,
        ratio(energy_j, output_chars) as energy_mean_per_character_j,
        ratio(energy_above_idle_j, output_tokens) as energy_above_idle_mean_per_output_token_j,
        ratio(energy_above_idle_j, input_tokens::bigint + output_tokens) as energy_above_idle_mean_per_total_token_j,
        ratio(energy_above_idle_j, output_words) as energy_above_idle_mean_per_word_j,
        ratio(energy_above_idle_j, output_chars) as energy_above_idle_mean_per_character_j,
        ratio(energy_above_active_idle_j, output_tokens) as energy_above_active_idle_mean_per_output_token_j,
        ratio(energy_above_active_idle_j, input_tokens::bigint + output_tokens) as energy_above_active_idle_mean_per_total_token_j,
        ratio(energy_above_active_idle_j, output_words) as energy_above_active_idle_mean_per_word_j,
        ratio(energy_above_active_idle_j, output_chars) as energy_above_active_idle_mean_per_character_j
    from parts
),
-- A column an energy: one pass over the answers.
summed as (
    select
        setup_number,
        struct_pack(
            answers := count(columns(* exclude setup_number)),
            levels := quantile_cont(columns(* exclude setup_number), [0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99])
        )
    from answers
    group by setup_number
)
select
    alike.setup, alike.only_valid, summed.metric, summed.numbers.answers,
    summed.numbers.levels[1] as p5,
    summed.numbers.levels[2] as p25,
    summed.numbers.levels[3] as p50,
    summed.numbers.levels[4] as p75,
    summed.numbers.levels[5] as p90,
    summed.numbers.levels[6] as p95,
    summed.numbers.levels[7] as p99
from (unpivot summed on columns(* exclude setup_number) into name metric value numbers) as summed
join (select distinct setup_number, setup, only_valid from alike) as alike using (setup_number)
where summed.numbers.answers > 0

-- name: asked_unevenly
-- One row per valid answer of the setups of `alike` that asked their prompts unequally often: `prompt`, and its energies divided per $per.
select
    alike.setup,
    alike.only_valid,
    hash(requests.prompt_id) as prompt,
    requests.energy_j / requests.parts as gross,
    above_idle(requests.energy_j, requests.latency_s, alike.idle_power_w) / requests.parts as above_idle,
    above_idle(requests.energy_j, requests.latency_s, alike.active_idle_power_w) / requests.parts as above_active_idle
from (
    select
        *,
        case $per
            when 'response' then 1
            when 'output token' then output_tokens
            when 'total token' then input_tokens::bigint + output_tokens
            when 'word' then output_words
            when 'character' then output_chars
        end as parts
    from requests
) as requests
join alike on alike.run_number = requests.run_number
where requests.valid
    and alike.uneven
    and requests.energy_j is not null
    and requests.parts > 0

-- name: metric_of
-- The name in run_summary of an energy per $per, of the idle power $idle.
select metric_per($per, $idle)

-- name: results
-- All rows of `results`. Of runs of ours those that ship with the project ($shipped) have its licence.
insert into results by name
select
    * replace (
        case when origin = 'measured' and list_contains($shipped, result_id.replace('run:', '')) then $licence else licence end as licence
    )
from configurations

-- name: setup_sums
-- All rows of `setup_sums`.
insert into setup_sums by name
with each as (
    select
        only_valid,
        coalesce(results.setup, results.result_id) as setup,
        results.result_id, results.source, results.model_id, results.gpu_model, results.num_gpus, results.task, results.prompt_set,
        results.engine, results.batch_size, results.weights, results.dtype, results.harness_version, results.started_at, results.prompts, results.params_total_b, results.energy_per_token_j,
        case
            when results.energy_j is null then 'estimated'
            when results.batch_size > 1 or runs.energy_attribution = 'shared' then 'divided'
            else 'measured'
        end as kind,
        evened.run_id is not null as is_evened,
        coalesce(ratio(evened.energy_j, evened.measured), results.energy_j, results.estimated_energy_j) as joules,
        coalesce(ratio(evened.output_tokens, evened.answers), results.output_tokens) as output_tokens,
        -- An answer without energy weighs nothing in a mean of energies.
        coalesce(evened.measured, runs.measured, results.prompts) as weighed,
        coalesce(evened.answers, results.prompts) as lengths,
        coalesce(evened.energy_j, runs.energy_j_total) as energy_j_total,
        coalesce(evened.measured_output_tokens, runs.measured_output_tokens_total) as measured_output_tokens_total,
        case when evened.busy_s is null then runs.output_tokens_total else evened.output_tokens end as output_tokens_total,
        coalesce(evened.busy_s, runs.busy_s_total) as busy_s_total,
        runs.measured, runs.token_units, runs.token_log_error,
        calibration_of(runs.energy_error_calibration, runs.energy_edges) as calibration,
        runs.card,
        search_of(runs.engine, runs.kernels) as search,
        case when run_notes.steady_energy_j > 0 then run_notes.steady_energy_j end as steady_energy_j,
        case when run_notes.steady_energy_j > 0 then run_notes.steady_output_tokens end as steady_output_tokens
    from results
    join (values (true), (false)) as counted (only_valid) on results.valid or not only_valid
    left join runs on 'run:' || runs.run_id = results.result_id
    left join run_notes on run_notes.run_id = runs.run_id
    left join evened on evened.run_id = runs.run_id
    where coalesce(results.energy_j, results.estimated_energy_j) > 0
),
compared as (
    select
        setup,
        only_valid,
        first(result_id order by started_at desc, result_id) as newest_id,
        max(started_at) as newest_at,
        first(round(params_total_b, 1 - floor(log10(params_total_b))::integer) order by started_at desc, result_id) as size,
        any_value(try_cast(split_part(harness_version, '.', 1) as integer)) as protocol,
        any_value(case when dtype not in ('float16', 'bfloat16') then dtype end) as "precision",
        sum(measured)::bigint as answers,
        case when count(*) = count(steady_energy_j) then sum(steady_energy_j) / sum(steady_output_tokens) end as steady_j,
        sum(output_tokens_total) / nullif(sum(busy_s_total), 0) as throughput_tps,
        min(token_units) as units,
        avg(token_log_error) as log_error,
        max(calibration) as calibration,
        list_sort(list(
            case
                when starts_with(engine, 'transformers-') or steady_energy_j is null
                    then struct_pack(ln := ln(energy_per_token_j), card := card, search := search, weight := energy_j_total)
                else struct_pack(ln := ln(ratio(steady_energy_j, steady_output_tokens)), card := card, search := search, weight := steady_energy_j)
            end
        )) as logs
    from each
    where source = own_source()
        and num_gpus = 1
        and dtype is not null
        and params_total_b > 0
        and energy_per_token_j > 0
    group by setup, only_valid
)
select
    setup,
    only_valid,
    any_value(columns(['source', 'model_id', 'gpu_model', 'task', 'prompt_set', 'engine', 'batch_size', 'weights', 'harness_version', 'kind'])),
    min(result_id) as result_id,
    count(*) as runs,
    sum(prompts)::bigint as prompts,
    case when count(*) = 1 then any_value(joules) else sum(joules * weighed) / sum(weighed) end as answer_j,
    case when count(*) = 1 then any_value(output_tokens) else sum(output_tokens * lengths) / sum(lengths) end as output_tokens,
    case
        when count(*) = 1 and not bool_or(is_evened) then any_value(energy_per_token_j)
        else sum(energy_j_total) filter (where energy_per_token_j > 0) / sum(measured_output_tokens_total) filter (where energy_per_token_j > 0)
    end as energy_per_token_j,
    stddev_samp(ln(nullif(energy_per_token_j, 0))) as between_runs,
    any_value(columns(compared.* exclude (setup, only_valid)))
from each
left join compared using (setup, only_valid)
group by setup, only_valid
