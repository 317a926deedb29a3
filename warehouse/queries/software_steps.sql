-- One row per GPU, size (billion parameters, two digits), weights and step of software: J/token of the setup that stands for it, of our own on one GPU with
-- weights of 16 bits. Steps: 1 the eager loop, 2 the compiled one, 3 and 4 compiled in static batches of 8 and 32, 5 a server. The setup that stands for a
-- step is the first by: newest protocol; the loop that takes least, then the default one; the task chat; for a server least J/token, for a loop most answers.
-- Runs of one setup count together (`runs`); names are those of the newest. `logs` lists ln(J/token), card and energy of each.
-- `units` is how many things were measured by themselves in a run (answers, batches, one window of a server), `log_error` the standard error of ln(J/token)
-- over them, `calibration` what the meter may be off in all of it. `choices` is how many setups of the step there are.
with own as (
    select
        setups.*,
        repetitions.card,
        case
            when engine = 'transformers-eager' and batch_size = 1 then 1
            when starts_with(engine, 'transformers-compiled') and batch_size = 1 then 2
            when starts_with(engine, 'transformers-compiled') and batch_size = 8 then 3
            when starts_with(engine, 'transformers-compiled') and batch_size = 32 then 4
            when not starts_with(engine, 'transformers-') then 5
        end as step
    from software_setups($selection) as setups
    join repetitions on 'run:' || repetitions.run_id = setups.result_id
    where setups.precision is null
),
-- A server stands with its steady state where every run of the setup has one.
candidates as (
    select
        own.*,
        count(*) over same_setup as runs,
        (sum(measured) over same_setup)::bigint as answers,
        count(*) over same_setup = count(*) filter (where steady_energy_j > 0) over same_setup as is_steady,
        case
            when step = 5 and is_steady then sum(steady_energy_j) over same_setup / sum(steady_output_tokens) over same_setup
            else sum(energy_j_total) over same_setup / sum(measured_output_tokens_total) over same_setup
        end as token_j,
        min(token_units) over same_setup as units,
        avg(token_log_error) over same_setup as log_error,
        max(calibration) over same_setup as off_alike,
        list(
            struct_pack(
                ln := ln(case when step = 5 and steady_energy_j > 0 then ratio(steady_energy_j, steady_output_tokens) else energy_per_token_j end),
                card := card,
                weight := (case when step = 5 and steady_energy_j > 0 then steady_energy_j else energy_j_total end)::double
            )
        ) over same_setup as logs
    from own
    window same_setup as (partition by own.setup)
    qualify row_number() over (partition by own.setup order by own.started_at desc, own.result_id) = 1
),
of_loops as (
    select
        candidates.*,
        min(token_j) over (partition by gpu_model, size, step, protocol, weights, engine) as loop_j
    from candidates
)
select
    candidates.gpu_model,
    size,
    candidates.step,
    candidates.token_j as energy_per_token_j,
    case
        when candidates.step < 3 then 'answers, each measured'
        when candidates.step < 5 then 'batches, each measured as a whole'
        when candidates.is_steady then 'steady state of a server'
        else 'whole window of a server'
    end as measured_on,
    coalesce(candidates.units, 0) as units,
    candidates.log_error,
    list_sort(candidates.logs) as logs,
    candidates.off_alike as calibration,
    candidates.answers,
    candidates.runs,
    count(*) over of_step as choices,
    candidates.model_id, candidates.model_name, candidates.params_total_b, candidates.engine,
    candidates.batch_size, candidates.concurrency, candidates.weights, candidates.dtype, candidates.task,
    candidates.harness_version, candidates.source, candidates.origin, candidates.prompt_set,
    candidates.result_id
from of_loops as candidates
where candidates.step is not null
window of_step as (partition by candidates.gpu_model, size, candidates.weights, candidates.step)
qualify row_number() over (
    partition by candidates.gpu_model, size, candidates.weights, candidates.step
    order by
        candidates.protocol desc nulls last,
        case when candidates.step in (2, 3, 4) then candidates.loop_j end nulls last,
        candidates.engine = 'transformers-compiled' desc,
        candidates.task = 'chat' desc,
        case when candidates.step = 5 then candidates.token_j end nulls last,
        candidates.harness_version desc,
        candidates.answers desc,
        candidates.started_at desc,
        candidates.result_id
) = 1
order by candidates.gpu_model, size, candidates.weights = 'dummy', candidates.weights, candidates.step
