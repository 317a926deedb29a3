-- Published figures, scores and totals; and how the figures are written as the CSV files that ship.

-- name: figures_named
-- One row per model that the incoming figures name.
insert into named
select distinct
    published_model_id,
    null::varchar,
    null::varchar,
    null::double,
    null::double
from incoming_figures

-- name: published
-- One row per published aggregate. One that another file brought already is left as it is. The published tables of ML.ENERGY have one figure a setup.
-- Another tool may have run a setup many times: its figures are told apart by what they say, so that none is lost and a copy counts once.
insert or ignore into published by name
select
    concat_ws(
        ':',
        'published',
        source, gpu_model, num_gpus, task, published_model_id, engine, dtype, batch_size, concurrency,
        parallelism, repetition,
        case
            when generation not in ('v1', 'v2', 'v3') then left(md5(row(
                prompts, mean_batch_size, energy_j, estimated_energy_j, energy_per_token_j, throughput_tps,
                output_tokens, input_tokens, latency_s, ttft_s, tpot_s, itl_p50_s, itl_p99_s, power_w,
                harness_version
            )::varchar), 8)
        end
    ) as result_id,
    canonical_model(published_model_id, null) as model_id,
    gpu_label(gpu_model) as gpu_model,
    gpu_model as published_gpu_model,
    * exclude (gpu_model)
from incoming_figures

-- name: exported
-- One row per configuration of an export, under the name that it has there. One that another file brought already is left as it is.
insert or ignore into published by name
select
    canonical_model(published_model_id, null) as model_id,
    gpu_label(gpu_model) as gpu_model,
    gpu_model as published_gpu_model,
    * exclude (gpu_model)
from incoming_figures

-- name: quality
-- One row per score. One that another file brought already is left as it is.
insert into quality by name
select
    canonical_model(published_model_id, null) as model_id,
    incoming.* exclude (published_model_id)
from incoming_figures as incoming
where not exists (
    from quality
    where quality.model_id = canonical_model(incoming.published_model_id, null)
        and quality.benchmark = incoming.benchmark
        and quality.source = incoming.source
        and quality.metric is not distinct from incoming.metric
        and quality.fewshot is not distinct from incoming.fewshot
        and quality.version is not distinct from incoming.version
        and quality.score = incoming.score
)

-- name: run_totals_grown
-- Totals of a run that was still going on go when a later one comes.
delete from run_totals
using incoming_totals as incoming
where run_totals.source = incoming.source
    and run_totals.run_id = incoming.run_id
    and run_totals.task is not distinct from incoming.task
    and run_totals.duration_s < incoming.duration_s

-- name: run_totals
-- One row per run of a tool that knows totals, and per task of such a run. One that another file brought already is left as it is.
insert into run_totals by name
select
    *,
    $file_id::integer as file_id
from incoming_totals as incoming
where not exists (
    from run_totals
    where run_totals.source = incoming.source
        and run_totals.run_id = incoming.run_id
        and run_totals.task is not distinct from incoming.task
)

-- name: run_notes
-- One row per run: replaced only by a file that knows at least as many sessions.
insert or replace into run_notes by name
select incoming.*
from incoming_notes as incoming
left join run_notes as known using (run_id)
where known.run_id is null
    or (incoming.sessions, coalesce(incoming.finished, false)) >= (known.sessions, coalesce(known.finished, false))

-- name: publish_figures
-- One row per published aggregate, in a fixed order; GPUs as the source spells them.
select
    * exclude (gpu_model, published_gpu_model),
    published_gpu_model as gpu_model
from published
order by
    source,
    published_gpu_model,
    task,
    lower(published_model_id),
    num_gpus,
    parallelism,
    batch_size,
    repetition nulls first,
    result_id

-- name: publish_quality
-- One row per score, in a fixed order; models under their canonical ids.
select
    model_id as published_model_id,
    * exclude (model_id, file_id)
from quality
order by source, lower(model_id), benchmark, metric, fewshot, version, score
