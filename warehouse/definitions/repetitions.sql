-- Which runs repeat each other: the data behind what is said about luck.

-- The options that a server was started with, as text: without its own seed and without its room for requests, which follows from how many were sent at
-- once. Empty for a server that somebody else started, and for our loops.
create macro server_options(environment) as regexp_replace(
    coalesce(try_cast(environment as json) ->> '$.server_setup.options', ''),
    '"--(seed|random-seed|max-num-seqs|max-running-requests|parallel|ctx-size)","[^"]*",?',
    '',
    'g'
);

-- Which GPU it was, by its number; null where nobody recorded it.
create macro card_of(environment) as nullif(array_to_string(try_cast(environment as json) ->> '$.gpus[*].card', ','), '');

-- One row per run of ours: `setup`, which two runs share that are alike in everything but seed, time, host and card; `card`, which GPU it was, null where
-- nobody recorded it; `pass_id`, shared by runs whose prompts were answered in turns, null for a run by itself.
create view repetitions as
select
    runs.run_number,
    runs.run_id,
    runs.valid,
    md5(
        concat_ws(
            chr(10),
            runs.source,
            runs.model_id,
            coalesce(runs.model_revision, ''),
            runs.weights,
            coalesce(runs.weights_format, ''),
            coalesce(runs.dtype, ''),
            runs.gpu,
            coalesce(runs.num_gpus, 0),
            coalesce(runs.task, ''),
            coalesce(runs.engine, ''),
            coalesce(runs.engine_version, ''),
            coalesce(runs.batch_size, 0),
            coalesce(runs.concurrency, 0),
            coalesce(runs.prompt_set_sha256, runs.prompt_set, ''),
            coalesce(runs.max_new_tokens, 0),
            coalesce(runs.temperature, -1),
            coalesce(runs.top_p, 1),
            coalesce(runs.top_k, 0),
            coalesce(runs.repetition_penalty, 1),
            coalesce(runs.prompt_template, ''),
            coalesce(runs.harness_version, ''),
            coalesce(runs.energy_source, ''),
            coalesce(runs.energy_edges, ''),
            coalesce(runs.energy_attribution, ''),
            coalesce(try_cast(runs.environment as json) ->> '$.gpus[0].power_limit_w', ''),
            coalesce(try_cast(runs.environment as json) ->> '$.request_seed', ''),
            coalesce(try_cast(runs.environment as json) ->> '$.request_rate', ''),
            coalesce(try_cast(runs.environment as json) ->> '$.server_setup.attention_backend', ''),
            server_options(runs.environment)
        )
    ) as setup,
    card_of(runs.environment) as card,
    runs.pass_id,
    runs.seed,
    runs.harness_version,
    ratio(runs.energy_j_total, runs.measured_output_tokens_total) as energy_per_token_j,
    runs.measured,
    calibration_of(runs.energy_error_calibration, runs.energy_edges) as calibration,
    runs.token_units,
    runs.token_log_error
from runs;

-- One row per window whose energy was divided: the prompts that were answered in it, as one number that does not depend on their order.
create view shared_windows as
select
    run_number,
    window_id,
    sum(hash(prompt_id) % 1000000007)::bigint as answered_together
from (
    select distinct requests.run_number, requests.window_id, requests.prompt_id
    from requests
    where requests.energy_attribution = 'shared'
)
group by run_number, window_id;
