-- One row per GPU, size (billion parameters, two digits), engine, number format of the weights (`precision`, null for 16 bits) and number of answers at once:
-- J/token of the setup that stands for it, of our own on one GPU, with the weights that most points of the size have. Runs of one setup count together
-- (`runs`), names are those of the newest, `between_runs` is the standard deviation of ln(J/token) between them. The setup that stands for it is the first by:
-- the task and prompts that most points have; newest protocol; most answers; least J/token; newest. A server has its steady state where that is known, else its
-- whole window.
with candidates as (
    select *
    from selected_setups($selection)
    where newest_id is not null
),
usual as (
    select
        gpu_model,
        size,
        first(weights order by points desc, weights, task, prompt_set) as weights,
        first((task, prompt_set) order by points desc, weights, task, prompt_set) as asked
    from (
        select
            gpu_model, size, weights, task, prompt_set,
            count(distinct (engine, "precision", batch_size)) as points
        from candidates
        group by all
    )
    group by all
),
points as (
    select
        first(
            newest_id
            order by
                (candidates.task, candidates.prompt_set) = usual.asked desc,
                protocol desc nulls last,
                harness_version desc,
                answers desc,
                coalesce(steady_j, energy_per_token_j),
                newest_at desc,
                newest_id
        ) as newest_id
    from candidates
    join usual using (gpu_model, size, weights)
    group by gpu_model, size, engine, "precision", batch_size
)
select
    results.gpu_model, candidates.size, results.engine, candidates."precision", results.batch_size,
    coalesce(candidates.steady_j, candidates.energy_per_token_j) as energy_per_token_j,
    case
        when starts_with(results.engine, 'transformers-') and results.batch_size = 1 then 'answers, each measured'
        when starts_with(results.engine, 'transformers-') then 'batches, each measured as a whole'
        when candidates.steady_j is not null then 'steady state of a server'
        else 'whole window of a server'
    end as measured_on,
    candidates.answers,
    len(candidates.logs) as runs,
    candidates.between_runs, candidates.throughput_tps,
    results.itl_p50_s, results.model_id, results.model_name, results.weights, results.dtype,
    results.task, results.harness_version, results.source, results.origin, results.prompt_set,
    results.result_id
from points
join candidates using (newest_id)
join results on results.result_id = newest_id
order by
    results.gpu_model,
    candidates.size,
    results.engine,
    candidates."precision" nulls first,
    results.batch_size
