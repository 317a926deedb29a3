-- One row per touched run from $first to $last: its setup, its totals over valid rows, the books of run.json, its verdict.
insert into runs by name
with counted as (
    select
        requests.run_id,
        any_value(requests.run_number) as run_number,
        min(requests.file_id) as file_id,
        any_value(requests.model_id) as loaded_model_id,
        any_value(requests.schema_version) as schema_version,
        any_value(requests.prompt_set) as prompt_set,
        any_value(requests.prompt_set_sha256) as prompt_set_sha256,
        any_value(requests.task) as task,
        any_value(requests.model_name) as model_name,
        any_value(requests.model_revision) as model_revision,
        any_value(requests.weights) as weights,
        any_value(requests.params_total_b) as params_total_b,
        any_value(requests.params_active_b) as params_active_b,
        any_value(requests.dtype) as dtype,
        any_value(requests.engine) as engine,
        any_value(requests.engine_version) as engine_version,
        any_value(requests.harness_version) as harness_version,
        any_value(requests.device) as device,
        any_value(requests.gpu_model) as gpu_model,
        any_value(requests.num_gpus) as num_gpus,
        -- A server answers as many at once as are in flight.
        greatest(any_value(requests.batch_size), any_value(requests.concurrency)) as batch_size,
        any_value(requests.concurrency) as concurrency,
        any_value(requests.temperature) as temperature,
        any_value(requests.top_p) as top_p,
        -- Files of record version 1 have it in their environment, and there only when it was on.
        coalesce(any_value(requests.top_k), try_cast(try_cast(any_value(requests.environment) as json) ->> '$.top_k' as integer)) as top_k,
        any_value(requests.repetition_penalty) as repetition_penalty,
        any_value(requests.max_new_tokens) as max_new_tokens,
        any_value(requests.seed) as seed,
        any_value(requests.prompt_template) as prompt_template,
        any_value(requests.energy_source) as energy_source,
        any_value(requests.energy_edges) as energy_edges,
        any_value(requests.energy_attribution) as energy_attribution,
        any_value(requests.cpu_energy_source) as cpu_energy_source,
        any_value(requests.dram_energy_source) as dram_energy_source,
        any_value(requests.host_energy_reason) as host_energy_reason,
        any_value(requests.idle_power_w) as idle_power_w,
        any_value(requests.environment) as environment,
        min(requests.started_at) as started_at,
        max(requests.started_at + to_microseconds(round(1e6 * coalesce(requests.latency_s, 0))::bigint)) as ended_at,
        count(*) as prompts,
        count(*) filter (where status = 'ok') as ok,
        count(*) filter (where status = 'failed') as failed,
        count(*) filter (where valid) as counted,
        count(energy_j) filter (where valid) as measured,
        count(energy_j) filter (where valid and not list_contains(reasons, 'not-resolved')) as resolved,
        count(requests.prompt_text) as texts,
        count(*) filter (where status = 'ok' and finish_reason = 'length') as truncated,
        count(*) filter (where status = 'ok' and throttled) as throttled,
        -- The most frequent reason; of several as frequent, the first by alphabet: the keys of a histogram are sorted.
        histogram(requests.energy_reason) as causes,
        case
            when measured = 0 then map_keys(causes)[list_position(map_values(causes), list_max(map_values(causes)))]
        end as energy_reason,
        sum(energy_j) filter (where valid) as energy_j_total,
        sum(output_tokens) filter (where valid and energy_j is not null) as measured_output_tokens_total,
        sum(latency_s) filter (where valid and energy_j is not null) as measured_latency_s_total,
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
        levels[1] as itl_p50_s,
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
        date_diff(
            'microseconds',
            min(started_at),
            max(started_at + to_microseconds(round(1e6 * latency_s)::bigint))
        ) / 1e6 as seconds
    from requests
    where valid
        and (batch_size > 1 or concurrency > 1)
        and window_id is not null
        and run_id between $first and $last
        and run_id in (select run_id from touched)
    group by
        run_id,
        window_id
),
busy as (
    select
        run_id,
        sum(seconds) as seconds
    from windows
    group by run_id
),
judged as (
    select
        counted.* exclude (file_id, causes, batch_size),
        coalesce(busy.seconds, counted.latency_s_total) as busy_s_total,
        -- Sent at a rate, as many are in flight as the server lets pile up: their mean. The concurrency is only the most there may be.
        case
            when try_cast(counted.environment as json) ->> '$.request_rate' is not null and busy.seconds > 0
                then least(counted.batch_size, greatest(1, round(counted.latency_s_total / busy.seconds)::integer))
            else counted.batch_size
        end as batch_size,
        canonical_model(loaded_model_id, model_name) as model_id,
        case when gpu_model is null and device = 'server' then 'unknown' else gpu_label(gpu_model) end as gpu,
        source_of(ingested_files.format) as source,
        gaps.itl_p50_s,
        gaps.itl_p99_s,
        run_notes.books_counter_j,
        run_notes.books_windows_j,
        run_notes.books_gaps_j,
        run_notes.books_ratio,
        run_notes.counter_step_s,
        run_notes.finished,
        run_reasons(
            prompts, ok, counted, measured, resolved, truncated, throttled, idle_power_w, books_ratio, finished, weights
        ) as reasons
    from counted
    join ingested_files using (file_id)
    left join gaps using (run_id)
    left join busy using (run_id)
    left join run_notes using (run_id)
)
select
    *,
    run_is_valid(reasons) as valid
from judged
