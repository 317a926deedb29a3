-- One row per GPU, size (billion parameters, two digits), weights and step of software: J/token of the setup that stands for it, of our own on one GPU with
-- weights of 16 bits. Steps: 1 the eager loop, 2 the compiled one, 3 and 4 compiled in static batches of 8 and 32, 5 a server with several requests in flight
-- (with one at a time it is one more loop). The setup that stands for a step is the first by: newest protocol; the loop that takes least, then the default one;
-- the task and prompts that most steps of the size have, of several a chat; for a server least J/token, for a loop most answers.
-- Runs of one setup count together (`runs`); names are those of the newest. `logs` lists ln(J/token), card and energy of each.
-- `units` is how many things were measured by themselves in a run (answers, batches, one window of a server), `log_error` the standard error of ln(J/token)
-- over them, `calibration` what the meter may be off in all of it. `choices` is how many setups of the step there are.
with own as (
    select
        * replace (coalesce(protocol, -1) as protocol),
        case
            when engine = 'transformers-eager' and batch_size = 1 then 1
            when starts_with(engine, 'transformers-compiled') and batch_size = 1 then 2
            when starts_with(engine, 'transformers-compiled') and batch_size = 8 then 3
            when starts_with(engine, 'transformers-compiled') and batch_size = 32 then 4
            when not starts_with(engine, 'transformers-') and batch_size is distinct from 1 then 5
        end as step,
        -- A server stands with its steady state where every run of the setup has one.
        case when step = 5 and steady_j is not null then steady_j else energy_per_token_j end as token_j
    from selected_setups($selection)
    where newest_id is not null
        and "precision" is null
        and step is not null
),
of_loops as (
    select
        gpu_model, size, weights, step, protocol, engine,
        min(token_j) as loop_j
    from own
    where step in (2, 3, 4)
    group by all
),
usual as (
    select
        gpu_model, size, weights,
        first((task, prompt_set) order by steps desc, task = 'chat' desc, task, prompt_set) as asked
    from (
        select
            gpu_model, size, weights, task, prompt_set,
            count(distinct step) as steps
        from own
        group by all
    )
    group by all
),
of_steps as (
    select
        count(*) as choices,
        first(
            newest_id
            order by
                protocol desc,
                loop_j nulls last,
                engine = 'transformers-compiled' desc,
                (task, prompt_set) = asked desc,
                case when step = 5 then token_j end nulls last,
                harness_version desc,
                answers desc,
                newest_at desc,
                newest_id
        ) as newest_id
    from own
    left join of_loops using (gpu_model, size, weights, step, protocol, engine)
    join usual using (gpu_model, size, weights)
    group by gpu_model, size, weights, step
)
select
    results.gpu_model,
    own.size,
    own.step,
    own.token_j as energy_per_token_j,
    case
        when own.step < 3 then 'answers, each measured'
        when own.step < 5 then 'batches, each measured as a whole'
        when own.steady_j is not null then 'steady state of a server'
        else 'whole window of a server'
    end as measured_on,
    coalesce(own.units, 0) as units,
    own.log_error, own.logs, own.calibration, own.answers,
    len(own.logs) as runs,
    of_steps.choices,
    results.model_id, results.model_name, results.params_total_b, results.engine,
    results.batch_size, results.concurrency, results.weights, results.dtype, results.task,
    results.harness_version, results.source, results.origin, results.prompt_set,
    results.result_id
from of_steps
join own using (newest_id)
join results on results.result_id = newest_id
order by results.gpu_model, own.size, results.weights = 'dummy', results.weights, own.step
