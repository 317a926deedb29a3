-- One row per GPU, size (billion parameters, two digits), engine, number format of the weights (`precision`, null for 16 bits) and number of answers at once:
-- J/token of the setup that stands for it, of our own on one GPU, with the weights that most points of the size have. Runs of one setup count together
-- (`runs`), names are those of the newest, `between_runs` is the standard deviation of ln(J/token) between them. The setup that stands for it is the first by:
-- the task that most points have; newest protocol; most answers; newest. A server has its steady state where that is known, else its whole window.
with candidates as (
    select
        own.* replace (sum(output_tokens_total) over same_setup / nullif(sum(busy_s_total) over same_setup, 0) as throughput_tps),
        count(*) over same_setup as runs,
        (sum(measured) over same_setup)::bigint as answers,
        stddev_samp(ln(energy_per_token_j)) over same_setup as between_runs,
        case
            when count(*) over same_setup = count(*) filter (where steady_energy_j > 0) over same_setup
                then sum(steady_energy_j) over same_setup / sum(steady_output_tokens) over same_setup
        end as steady_j,
        sum(energy_j_total) over same_setup / sum(measured_output_tokens_total) over same_setup as token_j
    from software_setups($selection) as own
    window same_setup as (partition by own.setup)
    qualify row_number() over (partition by own.setup order by own.started_at desc, own.result_id) = 1
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
)
select
    candidates.gpu_model, candidates.size, candidates.engine, candidates.precision, candidates.batch_size,
    coalesce(candidates.steady_j, candidates.token_j) as energy_per_token_j,
    case
        when starts_with(candidates.engine, 'transformers-') and candidates.batch_size = 1 then 'answers, each measured'
        when starts_with(candidates.engine, 'transformers-') then 'batches, each measured as a whole'
        when candidates.steady_j is not null then 'steady state of a server'
        else 'whole window of a server'
    end as measured_on,
    candidates.answers, candidates.runs, candidates.between_runs, candidates.throughput_tps,
    candidates.itl_p50_s, candidates.model_id, candidates.model_name, weights, candidates.dtype,
    candidates.task, candidates.harness_version, candidates.source, candidates.origin, candidates.prompt_set,
    candidates.result_id
from candidates
join usual using (gpu_model, size, weights)
qualify row_number() over (
    partition by candidates.gpu_model, size, candidates.engine, candidates.precision, candidates.batch_size
    order by
        candidates.task = usual.task desc,
        candidates.protocol desc nulls last,
        candidates.harness_version desc,
        candidates.answers desc,
        candidates.started_at desc,
        candidates.result_id
) = 1
order by
    candidates.gpu_model,
    candidates.size,
    candidates.engine,
    candidates.precision nulls first,
    candidates.batch_size
