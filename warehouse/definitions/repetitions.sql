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

-- The kernels that a loop searched, by their hash; null of a loop that searches none, and where nobody recorded it.
create macro search_of(engine, kernels) as case when ends_with(engine, ':searched') then kernels end;

-- One row per run of ours: the `setup` that it shares with runs alike; `card`, which GPU it was, null where nobody recorded it; `pass_id`, shared by runs
-- whose prompts were answered in turns, null for a run by itself; `search`, the hash of the kernels of a loop that searches them, null of others and where
-- nobody recorded it: runs with the same ones on one card are one draw of kernels.
create view repetitions as
select
    runs.run_number, runs.run_id, runs.valid, runs.setup, runs.card, runs.pass_id, runs.seed, runs.harness_version,
    search_of(runs.engine, runs.kernels) as search,
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
