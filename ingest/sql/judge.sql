-- Our own rows on their way in: which of them break the contract.

-- name: records_incoming
-- One row per row of the given Parquet files, in the columns of `contract` (an absent one is null), with its file and its number from 1.
create or replace temp macro incoming(files) as table
select
    filename,
    file_row_number + 1 as "row",
    columns(getvariable('contract'))
from (
    select
        *,
        null::varchar as filename,
        null::bigint as file_row_number
    from contract
    union all by name
    select *
    from read_parquet(files, union_by_name = true, filename = true, file_row_number = true)
)

-- name: records_judged
-- One row per incoming row: whose it is, a hash of its setup, the bytes of its texts, and the first thing that is wrong with it, as "column: what".
-- The setup is what a run's rows must have in common: `records.COMMON`, in the order of the table `requests`.
create or replace temp macro judged(files, now_at) as table
select
    filename,
    "row",
    schema_version,
    run_id,
    hash(*columns(getvariable('common'))) as setup,
    coalesce(strlen(run_id), 0)
    + coalesce(strlen(prompt_id), 0)
    + coalesce(strlen(prompt_set), 0)
    + coalesce(strlen(prompt_set_sha256), 0)
    + coalesce(strlen(task), 0)
    + coalesce(strlen(model_id), 0)
    + coalesce(strlen(model_name), 0)
    + coalesce(strlen(model_revision), 0)
    + coalesce(strlen(weights), 0)
    + coalesce(strlen(weights_format), 0)
    + coalesce(strlen(experiment_id), 0)
    + coalesce(strlen(pass_id), 0)
    + coalesce(strlen(dtype), 0)
    + coalesce(strlen(engine), 0)
    + coalesce(strlen(engine_version), 0)
    + coalesce(strlen(harness_version), 0)
    + coalesce(strlen(device), 0)
    + coalesce(strlen(gpu_model), 0)
    + coalesce(strlen(prompt_template), 0)
    + coalesce(strlen(finish_reason), 0)
    + coalesce(strlen(energy_source), 0)
    + coalesce(strlen(energy_edges), 0)
    + coalesce(strlen(energy_attribution), 0)
    + coalesce(strlen(energy_reason), 0)
    + coalesce(strlen(cpu_energy_source), 0)
    + coalesce(strlen(dram_energy_source), 0)
    + coalesce(strlen(host_energy_reason), 0)
    + coalesce(strlen(status), 0)
    + coalesce(strlen(reason), 0)
    + coalesce(strlen(prompt_text), 0)
    + coalesce(strlen(output_text), 0)
    + coalesce(strlen(environment), 0) as bytes,
    case
        when schema_version is null then 'schema_version: is missing'
        when run_id is null then 'run_id: is missing'
        when sequence is null then 'sequence: is missing'
        when prompt_id is null then 'prompt_id: is missing'
        when repetition is null then 'repetition: is missing'
        when prompt_set is null then 'prompt_set: is missing'
        when task is null then 'task: is missing'
        when model_id is null then 'model_id: is missing'
        when weights is null then 'weights: is missing'
        when dtype is null then 'dtype: is missing'
        when engine is null then 'engine: is missing'
        when harness_version is null then 'harness_version: is missing'
        when device is null then 'device: is missing'
        when num_gpus is null then 'num_gpus: is missing'
        when batch_size is null then 'batch_size: is missing'
        when started_at is null then 'started_at: is missing'
        when energy_source is null then 'energy_source: is missing'
        when status is null then 'status: is missing'
        when status not in ('ok', 'failed') then 'status: must be ok or failed'
        when weights not in ('pretrained', 'dummy') then 'weights: must be pretrained or dummy'
        when finish_reason not in ('stop', 'length', 'error') then 'finish_reason: must be stop, length or error'
        -- A time without a zone may be the local one of a place up to 14 hours ahead of UTC.
        when started_at > now_at + interval 1 hour
            and (
                started_at > now_at + interval 15 hour
                or (try_cast(environment as json) ->> '$.clock') is distinct from 'local'
            )
            then 'started_at: lies in the future'
        when started_at < timestamptz '1970-01-01 00:00:00+00' then 'started_at: lies before 1970'
        when sequence < 0 then 'sequence: is negative'
        when repetition < 0 then 'repetition: is negative'
        when num_gpus < 0 then 'num_gpus: is negative'
        when batch_size < 1 then 'batch_size: is below 1'
        when concurrency < 1 then 'concurrency: is below 1'
        when not isfinite(params_total_b) then 'params_total_b: is not a finite number'
        when params_total_b < 0 then 'params_total_b: is negative'
        when params_total_b > 1e6 then 'params_total_b: is in billions, and more than a million of them'
        when not isfinite(params_active_b) then 'params_active_b: is not a finite number'
        when params_active_b < 0 then 'params_active_b: is negative'
        when params_active_b > 1e6 then 'params_active_b: is in billions, and more than a million of them'
        when not isfinite(temperature) then 'temperature: is not a finite number'
        when temperature < 0 then 'temperature: is negative'
        when not isfinite(top_p) then 'top_p: is not a finite number'
        when top_p < 0 then 'top_p: is negative'
        when top_k < 0 then 'top_k: is negative'
        when not isfinite(repetition_penalty) then 'repetition_penalty: is not a finite number'
        when repetition_penalty < 0 then 'repetition_penalty: is negative'
        when max_new_tokens < 0 then 'max_new_tokens: is negative'
        when input_tokens < 0 then 'input_tokens: is negative'
        when output_tokens < 0 then 'output_tokens: is negative'
        when output_words < 0 then 'output_words: is negative'
        when output_chars < 0 then 'output_chars: is negative'
        when isfinite(latency_s) and latency_s > 31536000 then 'latency_s: is more than a year'
        when not isfinite(ttft_s) then 'ttft_s: is not a finite number'
        when ttft_s < 0 then 'ttft_s: is negative'
        when ttft_s > 31536000 then 'ttft_s: is more than a year'
        when not isfinite(latency_s) then 'latency_s: is not a finite number'
        when latency_s < 0 then 'latency_s: is negative'
        when list_min(itl_s) < 0 or not isfinite(list_max(itl_s)) then 'itl_s: holds a negative or infinite gap'
        when list_max(itl_s) > 31536000 then 'itl_s: holds a gap of more than a year'
        when not isfinite(energy_j) then 'energy_j: is not a finite number'
        when energy_j < 0 then 'energy_j: is negative'
        when energy_j > 1e9 then 'energy_j: is more than a gigajoule, which no answer takes'
        when not isfinite(energy_error_j) then 'energy_error_j: is not a finite number'
        when energy_error_j < 0 then 'energy_error_j: is negative'
        when energy_error_j > 1e9 then 'energy_error_j: is more than a gigajoule, which no answer takes'
        when not isfinite(energy_error_edge_j) then 'energy_error_edge_j: is not a finite number'
        when energy_error_edge_j < 0 then 'energy_error_edge_j: is negative'
        when not isfinite(energy_error_calibration) then 'energy_error_calibration: is not a finite number'
        when energy_error_calibration < 0 then 'energy_error_calibration: is negative'
        when window_id < 0 then 'window_id: is negative'
        when not isfinite(cpu_energy_j) then 'cpu_energy_j: is not a finite number'
        when cpu_energy_j < 0 then 'cpu_energy_j: is negative'
        when cpu_energy_j > 1e9 then 'cpu_energy_j: is more than a gigajoule, which no answer takes'
        when not isfinite(dram_energy_j) then 'dram_energy_j: is not a finite number'
        when dram_energy_j < 0 then 'dram_energy_j: is negative'
        when dram_energy_j > 1e9 then 'dram_energy_j: is more than a gigajoule, which no answer takes'
        when not isfinite(idle_power_w) then 'idle_power_w: is not a finite number'
        when idle_power_w < 0 then 'idle_power_w: is negative'
        when idle_power_w > 1e6 then 'idle_power_w: is more than a megawatt'
        when not isfinite(active_idle_power_w) then 'active_idle_power_w: is not a finite number'
        when active_idle_power_w < 0 then 'active_idle_power_w: is negative'
        when not isfinite(neighbour_power_w) then 'neighbour_power_w: is not a finite number'
        when neighbour_power_w < 0 then 'neighbour_power_w: is negative'
        when not isfinite(host_load) then 'host_load: is not a finite number'
        when host_load < 0 then 'host_load: is negative'
        when warmup_answers < 0 then 'warmup_answers: is negative'
        when not (loop_share between 0 and 1) then 'loop_share: is not between 0 and 1'
        when not isfinite(gpu_temperature_c) then 'gpu_temperature_c: is not a finite number'
        when status = 'ok' and output_tokens is null then 'output_tokens: is missing in a row that did not fail'
        when status = 'ok' and latency_s is null then 'latency_s: is missing in a row that did not fail'
        when cached_tokens < 0 then 'cached_tokens: is negative'
        when output_tokens > max_new_tokens and reason is null then 'output_tokens: is above max_new_tokens'
        when status = 'ok' and finish_reason = 'error' then 'finish_reason: is error in a row that did not fail'
        when status = 'failed' and finish_reason = 'stop' then 'finish_reason: is stop in a row that failed'
        when energy_j is not null and energy_source = 'none' then 'energy_source: is none although energy_j has a value'
    end as problem
from incoming(files)

-- name: records_surveyed
-- One row per incoming file and run: the newest schema version, the bytes of all texts when none is shared between rows (a small file can point to one
-- large text often), the rows that break the contract, and the bounds of the others' setups.
insert into surveyed
select
    filename,
    run_id,
    max(schema_version) as schema_version,
    sum(bytes) as bytes,
    count(problem) as problems,
    min(setup) filter (where problem is null) as least_setup,
    max(setup) filter (where problem is null) as largest_setup
from judged($files, $now)
group by
    filename,
    run_id

-- name: records_files
-- One row per incoming file: the newest schema version and the bytes of its texts.
select
    filename,
    coalesce(max(schema_version), 0) as schema_version,
    sum(bytes) as bytes
from surveyed
group by filename

-- name: records_doubts
-- One row: which checks of single rows are needed. A run is known when the warehouse or an earlier file of this ingest has it.
with known as (
    select run_id
    from runs
    union
    select run_id
    from touched
),
per_run as (
    select
        run_id,
        sum(problems) as problems,
        min(least_setup) <> max(largest_setup) as mixed,
        run_id in (select run_id from known) as is_known
    from surveyed
    group by run_id
)
select
    coalesce(sum(problems) > 0, false) as broken,
    coalesce(bool_or(mixed or is_known), false) as setups,
    coalesce(bool_or(is_known), false) as keys
from per_run

-- name: records_broken
-- One row per incoming row that breaks the contract: the first problem found, as "column: what is wrong".
insert into broken
select
    filename,
    "row",
    problem
from judged($files, $now)
where problem is not null

-- name: records_setup
-- One row per incoming row whose setup is not that of its run: the setup most rows have, or the one already in the warehouse.
insert into broken
with setups as (
    select
        filename,
        "row",
        run_id,
        setup
    from judged($files, $now)
    anti join broken using (filename, "row")
),
known as (
    select
        run_id,
        any_value(
            hash(*columns(getvariable('common')))
        ) as setup
    from requests
    where run_id in (select run_id from setups)
    group by run_id
),
-- Of several setups as frequent, the one with the least hash: which rows stay must not depend on the order of files.
usual as (
    select
        run_id,
        setup
    from setups
    group by
        run_id,
        setup
    qualify row_number() over (partition by run_id order by count(*) desc, setup) = 1
)
select
    setups.filename,
    setups."row",
    'run_id: the setup differs from the other rows of this run' as problem
from setups
join usual using (run_id)
left join known using (run_id)
where setups.setup <> coalesce(known.setup, usual.setup)

-- name: records_duplicated_keys
-- One row at most: there may be a duplicate among the incoming rows (two keys hash alike).
select 1
from incoming($files)
group by hash(run_id, task, prompt_id, repetition)
having count(*) > 1
limit 1

-- name: records_duplicates
-- One row per incoming row whose run, task, prompt and repetition are in an earlier row of these files, or in the warehouse already.
insert into broken
with arrived as (
    select
        filename,
        "row",
        run_id,
        task,
        prompt_id,
        repetition
    from incoming($files)
    anti join broken using (filename, "row")
),
numbered as (
    select
        *,
        row_number() over (partition by run_id, task, prompt_id, repetition order by filename, "row") as nth
    from arrived
),
known as (
    select distinct
        run_id,
        task,
        prompt_id,
        repetition,
        true as is_known
    from requests
    where run_id in (select run_id from arrived)
)
select
    filename,
    "row",
    'prompt_id: this run, task, prompt and repetition were loaded already' as problem
from numbered
left join known using (run_id, task, prompt_id, repetition)
where nth > 1
    or is_known
