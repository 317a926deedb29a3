-- One row per GPU, size (billion parameters, two digits), engine, number format of the weights (`precision`, null for 16 bits) and number of answers at once:
-- J/token of the setup that stands for it, of our own on one GPU, with the weights that most points of the size have. Runs of one setup count together
-- (`runs`), names are those of the newest, `between_runs` is the standard deviation of ln(J/token) between them. The setup that stands for it is the first by:
-- the task that most points have; newest protocol; most answers; newest. A server has its steady state where that is known, else its whole window.
-- One row per setup: what its runs have in common, and the newest of them.
with candidates as (
    select
        any_value(gpu_model) as gpu_model,
        any_value(weights) as weights,
        any_value(engine) as engine,
        any_value(precision) as precision,
        any_value(batch_size) as batch_size,
        any_value(task) as task,
        any_value(protocol) as protocol,
        any_value(harness_version) as harness_version,
        first(size order by started_at desc, result_id) as size,
        first(result_id order by started_at desc, result_id) as result_id,
        max(started_at) as started_at,
        count(*) as runs,
        sum(measured)::bigint as answers,
        stddev_samp(ln(energy_per_token_j)) as between_runs,
        sum(output_tokens_total) / nullif(sum(busy_s_total), 0) as throughput_tps,
        case when count(*) = count(*) filter (where steady_energy_j > 0) then sum(steady_energy_j) / sum(steady_output_tokens) end as steady_j,
        sum(energy_j_total) / sum(measured_output_tokens_total) as token_j
    from software_setups($selection)
    group by setup
),
usual as (
    select
        gpu_model,
        size,
        first(weights order by points desc, weights, task) as weights,
        first(task order by points desc, weights, task) as task
    from (
        select
            gpu_model, size, weights, task,
            count(distinct (engine, precision, batch_size)) as points
        from candidates
        group by all
    )
    group by all
),
points as (
    select
        first(
            result_id
            order by
                candidates.task = usual.task desc,
                protocol desc nulls last,
                harness_version desc,
                answers desc,
                started_at desc,
                result_id
        ) as result_id
    from candidates
    join usual using (gpu_model, size, weights)
    group by gpu_model, size, engine, precision, batch_size
)
select
    results.gpu_model, candidates.size, results.engine, candidates.precision, results.batch_size,
    coalesce(candidates.steady_j, candidates.token_j) as energy_per_token_j,
    case
        when starts_with(results.engine, 'transformers-') and results.batch_size = 1 then 'answers, each measured'
        when starts_with(results.engine, 'transformers-') then 'batches, each measured as a whole'
        when candidates.steady_j is not null then 'steady state of a server'
        else 'whole window of a server'
    end as measured_on,
    candidates.answers, candidates.runs, candidates.between_runs, candidates.throughput_tps,
    results.itl_p50_s, results.model_id, results.model_name, results.weights, results.dtype,
    results.task, results.harness_version, results.source, results.origin, results.prompt_set,
    results.result_id
from points
join candidates using (result_id)
join results using (result_id)
order by
    results.gpu_model,
    candidates.size,
    results.engine,
    candidates.precision nulls first,
    results.batch_size
