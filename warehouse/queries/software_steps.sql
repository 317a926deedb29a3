-- One row per GPU, size (billion parameters, two digits), weights and step of software: J/token of the setup that stands for it, of our own on one GPU with
-- weights of 16 bits. Steps: 1 the eager loop, 2 the compiled one, 3 and 4 compiled in static batches of 8 and 32, 5 a server. The setup that stands for a
-- step is the first by: newest protocol; the loop that takes least, then the default one; the task chat; for a server least J/token, for a loop most answers.
-- Runs of one setup count together (`runs`); names are those of the newest. `logs` lists ln(J/token), card and energy of each.
-- `units` is how many things were measured by themselves in a run (answers, batches, one window of a server), `log_error` the standard error of ln(J/token)
-- over them, `calibration` what the meter may be off in all of it. `choices` is how many setups of the step there are.
with own as (
    select
        *,
        case
            when engine = 'transformers-eager' and batch_size = 1 then 1
            when starts_with(engine, 'transformers-compiled') and batch_size = 1 then 2
            when starts_with(engine, 'transformers-compiled') and batch_size = 8 then 3
            when starts_with(engine, 'transformers-compiled') and batch_size = 32 then 4
            when not starts_with(engine, 'transformers-') then 5
        end as step
    from software_setups($selection)
    where precision is null
),
-- One row per setup: what its runs have in common, and the newest of them.
of_setups as (
    select
        any_value(gpu_model) as gpu_model,
        any_value(weights) as weights,
        any_value(step) as step,
        any_value(engine) as engine,
        any_value(task) as task,
        any_value(harness_version) as harness_version,
        coalesce(any_value(protocol), -1) as protocol,
        first(size order by started_at desc, result_id) as size,
        first(result_id order by started_at desc, result_id) as result_id,
        max(started_at) as started_at,
        count(*) as runs,
        sum(measured)::bigint as answers,
        -- A server stands with its steady state where every run of the setup has one.
        count(*) = count(*) filter (where steady_energy_j > 0) as is_steady,
        case
            when any_value(step) = 5 and count(*) = count(*) filter (where steady_energy_j > 0) then sum(steady_energy_j) / sum(steady_output_tokens)
            else sum(energy_j_total) / sum(measured_output_tokens_total)
        end as token_j,
        min(token_units) as units,
        avg(token_log_error) as log_error,
        max(calibration) as calibration,
        list(
            struct_pack(
                ln := ln(case when step = 5 and steady_energy_j > 0 then ratio(steady_energy_j, steady_output_tokens) else energy_per_token_j end),
                card := card,
                weight := (case when step = 5 and steady_energy_j > 0 then steady_energy_j else energy_j_total end)::double
            )
        ) as logs
    from own
    where step is not null
    group by setup
),
of_loops as (
    select
        gpu_model, size, weights, step, protocol, engine,
        min(token_j) as loop_j
    from of_setups
    where step in (2, 3, 4)
    group by all
),
of_steps as (
    select
        count(*) as choices,
        first(
            result_id
            order by
                protocol desc,
                loop_j nulls last,
                engine = 'transformers-compiled' desc,
                task = 'chat' desc,
                case when step = 5 then token_j end nulls last,
                harness_version desc,
                answers desc,
                started_at desc,
                result_id
        ) as result_id
    from of_setups
    left join of_loops using (gpu_model, size, weights, step, protocol, engine)
    group by gpu_model, size, weights, step
)
select
    results.gpu_model,
    of_setups.size,
    of_setups.step,
    of_setups.token_j as energy_per_token_j,
    case
        when of_setups.step < 3 then 'answers, each measured'
        when of_setups.step < 5 then 'batches, each measured as a whole'
        when of_setups.is_steady then 'steady state of a server'
        else 'whole window of a server'
    end as measured_on,
    coalesce(of_setups.units, 0) as units,
    of_setups.log_error,
    list_sort(of_setups.logs) as logs,
    of_setups.calibration,
    of_setups.answers,
    of_setups.runs,
    of_steps.choices,
    results.model_id, results.model_name, results.params_total_b, results.engine,
    results.batch_size, results.concurrency, results.weights, results.dtype, results.task,
    results.harness_version, results.source, results.origin, results.prompt_set,
    results.result_id
from of_steps
join of_setups using (result_id)
join results using (result_id)
order by results.gpu_model, of_setups.size, results.weights = 'dummy', results.weights, of_setups.step
