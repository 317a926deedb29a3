-- What pages read: a row per run, per prompt answered and per configuration, with names and numbers.

-- One row per run of ours, with the names that people filter by.
create view labelled_runs as
select
    runs.run_number, runs.run_id, runs.valid, runs.model_id,
    models.name as model_name,
    models.family,
    runs.gpu as gpu_model,
    runs.task, runs.engine, runs.source, runs.batch_size, runs.weights, runs.dtype, runs.num_gpus,
    runs.prompt_set, runs.prompt_set_sha256, runs.harness_version,
    own_idle_power(runs.idle_power_w, runs.energy_attribution) as own_idle_power_w,
    own_idle_power(runs.active_idle_power_w, runs.energy_attribution) as own_active_idle_power_w
from runs
join models on models.model_id = runs.model_id;

-- One row per prompt answered, with the labels of its run and every per-prompt metric.
create view prompts as
select
    runs.run_number, runs.run_id, requests.sequence, requests.prompt_id, requests.repetition, requests.status,
    requests.finish_reason,
    requests.valid and runs.valid as valid,
    requests.reasons, runs.model_id, runs.model_name, runs.family, runs.gpu_model, runs.task, runs.engine,
    runs.source, runs.batch_size, runs.weights, runs.prompt_set, runs.harness_version,
    requests.{metric},
    requests.energy_error_j, requests.output_words, requests.output_chars,
    above_idle(requests.energy_j, requests.latency_s, runs.own_idle_power_w) as energy_above_idle_j,
    above_idle(requests.energy_j, requests.latency_s, runs.own_active_idle_power_w) as energy_above_active_idle_j
from measured_requests as requests
join labelled_runs as runs on runs.run_number = requests.run_number;

-- One row per model: the quality scores of the original leaderboard (percent), all three by one source, `quality_source`, as those of two harnesses do not
-- make one mean; `quality_sources` says of how many sources it is one. Of several the one with most of the three scores; then one that took all samples of a
-- benchmark; then the one that was loaded last; then by name. Of several scores of a source the one with the usual examples in the prompt (ARC 25,
-- HellaSwag 10, TruthfulQA 0), then one that does not say how many; then the newest version of the benchmark.
create view model_quality as
with scores as (
    select
        model_id,
        source,
        file_id,
        score,
        case
            when benchmark in ('arc', 'arc_challenge') and coalesce(metric, '') in ('', 'acc_norm') then 'arc'
            when benchmark = 'hellaswag' and coalesce(metric, '') in ('', 'acc_norm') then 'hellaswag'
            when benchmark in ('truthfulqa', 'truthfulqa_mc2') and coalesce(metric, '') in ('', 'acc') then 'truthfulqa'
        end as kind,
        case
            when fewshot = case kind when 'arc' then 25 when 'hellaswag' then 10 else 0 end then 0
            when fewshot is null then 1
            else 2
        end as unusual,
        try_cast(version as double) as edition
    from quality
),
of_sources as (
    select
        model_id,
        source,
        first(score order by unusual, edition desc nulls last, file_id desc, score) filter (where kind = 'arc') as arc,
        first(score order by unusual, edition desc nulls last, file_id desc, score) filter (where kind = 'hellaswag') as hellaswag,
        first(score order by unusual, edition desc nulls last, file_id desc, score) filter (where kind = 'truthfulqa') as truthfulqa,
        count(distinct kind) as kinds,
        max(file_id) as newest
    from scores
    where kind is not null
    group by model_id, source
)
select
    model_id, arc, hellaswag, truthfulqa,
    source as quality_source,
    count(*) over (partition by model_id) as quality_sources
from of_sources
qualify row_number() over (
    partition by model_id
    order by kinds desc, regexp_matches(source, ', (limit |[0-9]+ of [0-9]+ samples)'), newest desc, source
) = 1;

-- One row per run: `over`, its distributions from run_summary by the name of the metric, such as over['ttft_s'].mean; null for a metric that it lacks.
create view run_metrics as
select
    run_id,
    map(list(metric), list(struct_pack(prompts, mean, p50, p90, p95, p99, squares := squares(prompts, mean, stddev)))) as over
from run_summary
group by run_id;

-- One row per published aggregate, in the columns of `results`; what only a run of ours has is left out, and is null there.
create view published_results as
select
    result_id,
    'published' as origin,
    source, generation, model_id, gpu_model,
    num_gpus::integer as num_gpus,
    task,
    engine,
    dtype,
    'pretrained' as weights,
    batch_size,
    concurrency,
    prompts::bigint as prompts,
    energy_j,
    estimated_energy_j,
    coalesce(energy_per_token_j, ratio(energy_j, output_tokens)) as energy_per_token_j,
    throughput_tps, output_tokens, input_tokens, latency_s, ttft_s, tpot_s, itl_p50_s, itl_p99_s,
    coalesce(power_w, ratio(energy_j, latency_s)) as power_w,
    case
        when energy_j is null and estimated_energy_j is not null then 'the source models the energy of a response, it did not measure it'
        when energy_j is null then 'the source gives no energy of a response'
    end as energy_reason,
    true as valid,
    []::varchar[] as reasons,
    harness_version,
    licence,
    url,
    null::varchar as clock
from published
-- The copy of a result in an export is not shown beside the result itself.
where result_id not in (
    select 'exported:' || result_id
    from published
    union all
    select 'exported:run:' || run_id
    from runs
);

-- One row per run of ours, likewise. Ratios are ratios of sums over the run's valid rows.
create view measured_results as
select
    'run:' || runs.run_id as result_id,
    'measured' as origin,
    runs.source,
    case when runs.source = own_source() then 'own' else 'imported' end as generation,
    runs.model_id,
    runs.gpu as gpu_model,
    runs.num_gpus::integer as num_gpus,
    runs.task, runs.engine, runs.dtype, runs.weights,
    runs.batch_size::integer as batch_size,
    runs.concurrency::integer as concurrency,
    runs.prompt_set,
    runs.counted as prompts,
    over['energy_j'].mean as energy_j,
    over['energy_j'].p50 as energy_median_j,
    over['energy_j'].p90 as energy_p90_j,
    over['energy_j'].p95 as energy_p95_j,
    over['energy_j'].p99 as energy_p99_j,
    error_of_mean(
        over['energy_error_j'].prompts, over['energy_j'].mean, over['energy_j'].squares, over['energy_error_j'].squares,
        calibration_of(runs.energy_error_calibration, runs.energy_edges),
        case
            when runs.energy_attribution is distinct from 'shared' then 1
            when runs.concurrency > 1 then over['energy_error_j'].prompts
            else least(runs.batch_size, over['energy_error_j'].prompts)
        end
    ) as energy_error_j,
    null::double as estimated_energy_j,
    ratio(runs.energy_j_total, runs.measured_output_tokens_total) as energy_per_token_j,
    ratio(runs.output_tokens_total, runs.busy_s_total) as throughput_tps,
    over['output_tokens'].mean as output_tokens,
    over['input_tokens'].mean as input_tokens,
    over['latency_s'].mean as latency_s,
    over['ttft_s'].mean as ttft_s,
    over['tpot_s'].mean as tpot_s,
    runs.itl_p50_s,
    runs.itl_p99_s,
    case
        when runs.busy_s_total = runs.latency_s_total then ratio(runs.energy_j_total, runs.measured_latency_s_total)
        when runs.measured = runs.counted then ratio(runs.energy_j_total, runs.busy_s_total)
    end as power_w,
    runs.idle_power_w,
    -- Latencies of requests that share a GPU overlap: their sum times idle power would take the idle energy off many times.
    above_idle(runs.energy_j_total, runs.measured_latency_s_total, own_idle_power(runs.idle_power_w, runs.energy_attribution))
        / nullif(runs.measured, 0) as energy_above_idle_j,
    above_idle(runs.energy_j_total, runs.measured_latency_s_total, own_idle_power(runs.active_idle_power_w, runs.energy_attribution))
        / nullif(runs.measured, 0) as energy_above_active_idle_j,
    runs.energy_reason,
    runs.valid,
    runs.reasons,
    ratio(runs.truncated, runs.ok) as truncated_share,
    case when runs.power_capped is not null then runs.power_capped / nullif(runs.ok, 0) end as power_capped_share,
    runs.energy_edges as edges,
    runs.harness_version,
    null::varchar as licence,
    null::varchar as url,
    runs.started_at, runs.clock, runs.weights_format, runs.experiment_id, runs.setup,
    -- Counted in the loaded weights; a source rounds.
    runs.params_total_b as counted_params_b,
    runs.params_active_b as counted_active_params_b
from runs
left join run_metrics on run_metrics.run_id = runs.run_id;

-- One row per configuration: a published aggregate, or one run of ours. `url` is where the figure was published. The ingest keeps these rows in the table
-- `results`, which is what everything else reads.
create view configurations as
select
    figures.* exclude (counted_params_b, counted_active_params_b),
    models.name as model_name,
    models.url as model_url,
    models.family,
    coalesce(figures.counted_params_b, models.params_total_b) as params_total_b,
    coalesce(figures.counted_active_params_b, models.params_active_b) as params_active_b,
    model_quality.arc, model_quality.hellaswag, model_quality.truthfulqa,
    (model_quality.arc + model_quality.hellaswag + model_quality.truthfulqa) / 3 as quality_mean,
    model_quality.quality_source,
    model_quality.quality_sources::integer as quality_sources
from (
    select * from measured_results
    union all by name
    select * from published_results
) as figures
join models on models.model_id = figures.model_id
left join model_quality on model_quality.model_id = figures.model_id and figures.weights = 'pretrained';
