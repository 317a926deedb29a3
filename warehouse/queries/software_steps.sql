-- One row per GPU, size (billion parameters, two digits) and step of software: J/token of the run that stands for it, of our own on one GPU with weights of 16 bits.
-- Steps: 1 the eager loop, 2 the compiled one, 3 and 4 compiled in static batches of 8 and 32, 5 a server. Of several runs of a step the first by: newest protocol; the weights that
-- most steps of the size have; the loop that takes least, then the default one; the task chat; for a server least J/token, for a loop most answers.
-- `units` is how many things were measured by themselves (answers, batches, one window of a server), `log_error` the standard error of ln(J/token) over them.
with candidates as (
    select
        results.*,
        runs.run_number,
        runs.measured,
        round(results.params_total_b, 1 - floor(log10(results.params_total_b))::integer) as size,
        try_cast(split_part(results.harness_version, '.', 1) as integer) as protocol,
        case
            when results.engine = 'transformers-eager' and results.batch_size = 1 then 1
            when starts_with(results.engine, 'transformers-compiled') and results.batch_size = 1 then 2
            when starts_with(results.engine, 'transformers-compiled') and results.batch_size = 8 then 3
            when starts_with(results.engine, 'transformers-compiled') and results.batch_size = 32 then 4
            when not starts_with(results.engine, 'transformers-') then 5
        end as step,
        case when run_notes.steady_energy_j > 0 then ratio(run_notes.steady_energy_j, run_notes.steady_output_tokens) end as steady_j
    from selected_results($selection) as results
    join runs on 'run:' || runs.run_id = results.result_id
    left join run_notes on run_notes.run_id = runs.run_id
    where results.source = own_source()
        and results.num_gpus = 1
        and results.dtype in ('float16', 'bfloat16')
        and results.params_total_b > 0
        and results.energy_per_token_j > 0
),
usual as (
    select
        gpu_model,
        size,
        first(weights order by steps desc, weights) as weights
    from (
        select
            gpu_model,
            size,
            weights,
            count(distinct step) as steps
        from candidates
        group by
            gpu_model,
            size,
            weights
    )
    group by
        gpu_model,
        size
),
of_loops as (
    select
        candidates.*,
        min(energy_per_token_j) over (partition by gpu_model, size, step, protocol, weights, engine) as loop_j
    from candidates
),
chosen as (
    select
        candidates.* exclude (loop_j),
        count(*) over of_step as runs
    from of_loops as candidates
    join usual using (gpu_model, size)
    where candidates.step is not null
    window of_step as (partition by candidates.gpu_model, size, candidates.step)
    qualify row_number() over (
        partition by candidates.gpu_model, size, candidates.step
        order by
            candidates.protocol desc nulls last,
            candidates.weights = usual.weights desc,
            case when candidates.step in (2, 3, 4) then candidates.loop_j end nulls last,
            candidates.engine = 'transformers-compiled' desc,
            candidates.task = 'chat' desc,
            case when candidates.step = 5 then coalesce(candidates.steady_j, candidates.energy_per_token_j) end nulls last,
            candidates.harness_version desc,
            candidates.measured desc,
            candidates.started_at desc,
            candidates.result_id
    ) = 1
),
measured_alone as (
    select
        requests.run_number,
        sum(requests.energy_j) as joules,
        sum(requests.output_tokens) as tokens
    from requests
    join chosen on chosen.run_number = requests.run_number
    where chosen.step < 5
        and requests.status = 'ok'
        and (requests.valid or not ($selection).only_valid)
        and requests.energy_j is not null
    group by
        requests.run_number,
        case when requests.energy_attribution = 'shared' then requests.window_id else requests.sequence end
),
spread as (
    select
        measured_alone.run_number,
        count(*) as units,
        sqrt(
            ratio(count(*), count(*) - 1)
            * sum(pow(measured_alone.joules / totals.joules - measured_alone.tokens / totals.tokens, 2))
        ) as log_error
    from measured_alone
    join (
        select
            run_number,
            sum(joules) as joules,
            sum(tokens) as tokens
        from measured_alone
        group by run_number
    ) as totals using (run_number)
    where totals.joules > 0
        and totals.tokens > 0
    group by measured_alone.run_number
)
select
    chosen.gpu_model,
    chosen.size,
    chosen.step,
    case when chosen.step = 5 then coalesce(chosen.steady_j, chosen.energy_per_token_j) else chosen.energy_per_token_j end as energy_per_token_j,
    case
        when chosen.step < 3 then 'answers, each measured'
        when chosen.step < 5 then 'batches, each measured as a whole'
        when chosen.steady_j is not null then 'steady state of a server'
        else 'whole window of a server'
    end as measured_on,
    case when chosen.step = 5 then 1 else coalesce(spread.units, 0) end as units,
    spread.log_error,
    chosen.measured as answers,
    chosen.runs,
    chosen.model_id,
    chosen.model_name,
    chosen.params_total_b,
    chosen.engine,
    chosen.batch_size,
    chosen.concurrency,
    chosen.weights,
    chosen.dtype,
    chosen.task,
    chosen.harness_version,
    chosen.source,
    chosen.origin,
    chosen.prompt_set,
    chosen.result_id
from chosen
left join spread on spread.run_number = chosen.run_number
order by
    chosen.gpu_model,
    chosen.size,
    chosen.step
