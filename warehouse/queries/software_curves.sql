-- One row per GPU, size (billion parameters, two digits), engine, number format of the weights (`precision`, null for 16 bits) and number of answers at once: J/token of the run
-- that stands for it, of our own on one GPU, with the weights that most points of the size have. Of several runs the first by: the task that most points have; newest protocol;
-- most answers; newest. A server has its steady state where that is known, else its whole window.
with candidates as (
    select
        results.*,
        runs.measured,
        round(results.params_total_b, 1 - floor(log10(results.params_total_b))::integer) as size,
        case when results.dtype not in ('float16', 'bfloat16') then results.dtype end as precision,
        try_cast(split_part(results.harness_version, '.', 1) as integer) as protocol,
        case when run_notes.steady_energy_j > 0 then ratio(run_notes.steady_energy_j, run_notes.steady_output_tokens) end as steady_j
    from selected_results($selection) as results
    join runs on 'run:' || runs.run_id = results.result_id
    left join run_notes on run_notes.run_id = runs.run_id
    where results.source = own_source()
        and results.num_gpus = 1
        and results.dtype is not null
        and results.params_total_b > 0
        and results.energy_per_token_j > 0
),
usual as (
    select
        gpu_model,
        size,
        first(weights order by points desc, weights, task) as weights,
        first(task order by points desc, weights, task) as task
    from (
        select
            gpu_model,
            size,
            weights,
            task,
            count(distinct (engine, precision, batch_size)) as points
        from candidates
        group by
            gpu_model,
            size,
            weights,
            task
    )
    group by
        gpu_model,
        size
)
select
    candidates.gpu_model,
    candidates.size,
    candidates.engine,
    candidates.precision,
    candidates.batch_size,
    coalesce(candidates.steady_j, candidates.energy_per_token_j) as energy_per_token_j,
    case
        when starts_with(candidates.engine, 'transformers-') and candidates.batch_size = 1 then 'answers, each measured'
        when starts_with(candidates.engine, 'transformers-') then 'batches, each measured as a whole'
        when candidates.steady_j is not null then 'steady state of a server'
        else 'whole window of a server'
    end as measured_on,
    candidates.measured as answers,
    candidates.throughput_tps,
    candidates.itl_p50_s,
    candidates.model_id,
    candidates.model_name,
    weights,
    candidates.dtype,
    candidates.task,
    candidates.harness_version,
    candidates.source,
    candidates.origin,
    candidates.prompt_set,
    candidates.result_id
from candidates
join usual using (gpu_model, size, weights)
qualify row_number() over (
    partition by candidates.gpu_model, size, candidates.engine, candidates.precision, candidates.batch_size
    order by
        candidates.task = usual.task desc,
        candidates.protocol desc nulls last,
        candidates.harness_version desc,
        candidates.measured desc,
        candidates.started_at desc,
        candidates.result_id
) = 1
order by
    candidates.gpu_model,
    candidates.size,
    candidates.engine,
    candidates.precision nulls first,
    candidates.batch_size
