-- The tables of the warehouse: facts, as they came from files. What is derived from them is in definitions/.
-- Units are base SI. What stands behind a column is kept as its comment: the unit, a colon, the meaning. Not measured is null, never 0.

-- One row per prompt answered: the columns of bench/record.py with their comments, put in by create.py, the file that held it, and the verdict on it.
create table requests (
    {record},
    file_id integer not null, -- the ingested file
    run_number integer not null, -- runs.run_number: what rows are joined on, since a number is quicker than an id
    valid boolean not null, -- counts in averages; see docs/verdicts.md
    reasons varchar[] not null -- codes of reason_codes that hold for this row
);

-- One row: which version of the project made this file.
create table meta (
    schema_version integer not null, -- version of these tables
    project_version varchar not null -- version of the project
);

-- One row per file that was loaded.
create table ingested_files (
    file_id integer primary key, -- number of the file in this warehouse
    path varchar not null, -- where it was, relative to the warehouse when it lies below it
    sha256 varchar not null unique, -- hash of its bytes
    format varchar not null, -- which reader read it
    accepted bigint not null, -- rows loaded
    rejected bigint not null, -- rows refused
    bytes bigint not null, -- byte: its size
    ingested_at timestamptz not null -- when it was loaded
);

-- One row per row that was refused.
create table rejects (
    file_id integer, -- the ingested file; null when the file could not be read at all
    path varchar not null, -- where the file was
    "row" bigint, -- number of the row in the file, from 1 (of CSV and JSON lines: of the line); null when the whole file is meant
    "column" varchar, -- the column that breaks the contract
    cell varchar, -- what stands there, at most 80 characters; null where nothing does, of prompts and answers, and where no single cell is wrong
    reason varchar not null -- what is wrong
);

-- One row per reason that a verdict can give; docs/verdicts.md explains them.
create table reason_codes (
    code varchar not null, -- short name
    scope varchar not null, -- request or run
    invalidates boolean not null, -- true: not valid; false: a note
    meaning varchar not null, -- one sentence
    primary key (code, scope)
);

-- One row per task.
create table tasks (
    task varchar primary key, -- name
    system_prompt varchar not null, -- what every model is told first
    verbose_twin varchar -- for a concise task, the task it is compared with
);

-- One row per model, whatever its sources call it.
create table models (
    model_id varchar primary key, -- canonical id
    name varchar not null, -- short name for people
    url varchar, -- page about the model
    family varchar not null, -- models of one origin share it, and its colour
    params_total_b double, -- 1e9: parameters, all of them
    params_active_b double -- 1e9: parameters used per token
);

-- One row per spelling of a model, in lower case.
create table model_aliases (
    alias varchar primary key, -- as a source spells it, lower case
    model_id varchar not null -- canonical id
);

-- One row per benchmark score of a model.
create table quality (
    model_id varchar not null, -- canonical id
    benchmark varchar not null, -- e.g. arc, hellaswag, truthfulqa
    metric varchar, -- what was counted; null when the source does not say
    score double not null, -- percent; for what is no share (perplexity, bits per byte, ...) the metric's own unit, or as written where the metric says that its scale is not stated
    stderr double, -- standard error, in the unit of the score
    fewshot integer, -- examples in the prompt; null when the source does not say
    version varchar, -- version of the benchmark
    source varchar not null, -- who scored
    file_id integer not null -- the ingested file
);

-- One row per published aggregate: a model on a GPU with a task and a setup.
create table published (
    result_id varchar primary key, -- published:source:gpu:task:model:…
    source varchar not null, -- who published
    generation varchar not null, -- v1, v2, v3
    model_id varchar not null, -- canonical id
    published_model_id varchar not null, -- as the source spells it
    gpu_model varchar not null, -- the chip's short name, see gpu_label
    published_gpu_model varchar not null, -- the GPU's name as the source spells it
    num_gpus smallint not null, -- GPUs whose energy is summed
    parallelism varchar, -- how the model was spread over GPUs: tp, pp, ep, dp and a number each; null when the source does not say
    task varchar not null, -- task
    engine varchar not null, -- how the model was run
    dtype varchar, -- number format of the weights
    batch_size integer, -- prompts per batch, or requests served at once
    mean_batch_size double, -- requests that were served at once, on average
    concurrency integer, -- requests in flight
    repetition smallint, -- number of the figure among those of the same setup, from 1; null for the first
    prompts integer, -- prompts behind the averages
    energy_j double, -- J: mean GPU energy of a response, measured
    estimated_energy_j double, -- J: mean GPU energy of a response, modelled
    energy_per_token_j double, -- J/token: as published; null when it is energy over length
    throughput_tps double, -- token/s: as published
    output_tokens double, -- token: mean length of a response
    input_tokens double, -- token: mean length of a prompt
    latency_s double, -- s: mean time of a response
    ttft_s double, -- s: mean time to first token
    tpot_s double, -- s: mean time per output token
    itl_p50_s double, -- s: median gap between tokens
    itl_p99_s double, -- s: 99th percentile of the gaps
    power_w double, -- W: mean GPU power
    harness_version varchar not null, -- the measuring protocol
    licence varchar not null, -- licence of the figure
    url varchar, -- where it was published
    file_id integer not null -- the ingested file
);

-- One row per run of a tool that knows totals but no prompts and no tokens.
create table run_totals (
    source varchar not null, -- the tool
    run_id varchar not null, -- id that the tool gave
    task varchar, -- part of the run that the tool was told to count alone; null for the whole run
    project varchar, -- name that the user gave
    ended_at timestamp, -- when the tool wrote the row, in the clock of its machine
    duration_s double not null, -- s: length of the run
    gpu_energy_j double, -- J: all GPUs
    cpu_energy_j double, -- J: CPU, as the tool measured or guessed it
    dram_energy_j double, -- J: memory, as the tool measured or guessed it
    gpu_model varchar, -- the GPU's name as the tool spells it
    num_gpus smallint, -- GPUs
    harness_version varchar, -- version of the tool
    file_id integer not null -- the ingested file
);

-- One row per run.json: what the measuring side wrote about a whole run.
create table run_notes (
    run_id varchar primary key, -- the run
    fingerprint varchar, -- hash of the setup
    finished boolean, -- false: the run was stopped before its end
    sessions integer not null, -- times the run was started or resumed
    balance_counter_j double, -- J: counter over the whole run
    balance_windows_j double, -- J: sum of the windows
    balance_gaps_j double, -- J: sum of the gaps between windows
    balance_ratio double, -- windows and gaps over counter; 1 is right
    counter_step_s double, -- s: longest step of the counter
    steady_energy_j double, -- J: of a server while its batch was full, over all sessions; null without such a time
    steady_output_tokens double, -- token: written by a server while its batch was full
    file_id integer not null -- the ingested file
);

-- One row per run of ours: its setup, its totals over valid rows, its verdict.
create table runs (
    run_id varchar primary key, -- the run
    run_number integer not null unique, -- number of the run in this warehouse
    source varchar not null, -- who measured: this project, or the tool whose file it was
    model_id varchar not null, -- canonical id
    loaded_model_id varchar not null, -- the model as the engine loaded it
    {setup},
    gpu varchar not null, -- the chip's short name, see gpu_label; CPU without a GPU, unknown behind a server
    batch_size smallint, -- prompts answered at once: of a static batch, or requests in flight at a server (on average, if they came at a rate)
    started_at timestamptz, -- first response begun
    ended_at timestamptz, -- last response ended
    setup varchar not null, -- shared by runs that are alike in all but seed, time, host and card
    card varchar, -- which GPU it was, by its number; null where nobody recorded it
    power_limit_w varchar, -- W: power limit of the first GPU, as it was recorded
    kernels varchar, -- hash of the kernels that were compiled
    request_seed varchar, -- whether each request brought a seed
    request_rate varchar, -- request/s: at which they were sent
    attention_backend varchar, -- what a server computes attention with
    server_options varchar not null, -- what a server was started with, but for its seed and its room for requests; empty where nobody recorded it
    clock varchar not null, -- whose clock started_at and ended_at are: UTC; local, zone unknown; or the time of the file, where the source gives none
    prompts bigint not null, -- rows
    ok bigint not null, -- rows that did not fail
    failed bigint not null, -- rows that failed
    counted bigint not null, -- valid rows: those behind every total and average
    measured bigint not null, -- valid rows with energy
    resolved bigint not null, -- measured rows whose error is at most 10 % of the value
    texts bigint not null, -- rows with the text of their prompt
    truncated bigint not null, -- ok rows that hit the length limit
    throttled bigint not null, -- ok rows during which the GPU lowered its clocks
    power_capped bigint, -- answers in which a GPU kept to its power limit; null where no row says
    cold bigint, -- answers of sessions whose warm-up did not end with two answers that agreed
    looped bigint, -- answers of which a good part repeats itself
    beside_busy bigint, -- answers during which another GPU of the host, or the host itself, was busy
    energy_reason varchar, -- why no energy was measured: the most frequent reason; null when some was
    energy_j_total double, -- J: sum over measured rows
    measured_output_tokens_total bigint, -- token: sum over measured rows
    measured_latency_s_total double, -- s: sum over measured rows
    token_units bigint, -- what J/token was measured on: prompts that were alone on the GPU, or windows of several answers
    answers_per_prompt bigint not null, -- how often each prompt was answered: answers to one prompt are alike
    token_log_error double, -- standard error of ln(J/token) over these, within the run; null for fewer than two, and where these are too few, see enough_units
    output_tokens_total bigint, -- token: sum over valid rows
    latency_s_total double, -- s: sum over valid rows
    busy_s_total double, -- s: time in which a valid row was being answered: answers that overlap count once; null where nobody knows whether they do
    itl_p50_s double, -- s: median gap between tokens of valid rows
    itl_p99_s double, -- s: 99th percentile of the gaps
    balance_counter_j double, -- J: counter over the whole run
    balance_windows_j double, -- J: sum of the windows
    balance_gaps_j double, -- J: sum of the gaps
    balance_ratio double, -- windows and gaps over counter; 1 is right
    counter_step_s double, -- s: longest step of the counter
    finished boolean, -- false: the run was stopped before its end; null: no run.json
    valid boolean not null, -- counts in comparisons; see docs/verdicts.md
    reasons varchar[] not null -- codes of reason_codes that hold for this run
);

-- One row per run and metric: the distribution over valid rows that have the metric.
create table run_summary (
    run_id varchar not null, -- the run
    metric varchar not null, -- a per-prompt metric
    prompts bigint not null, -- valid rows that have it
    mean double, -- average, in the metric's unit
    stddev double, -- sample standard deviation
    minimum double, -- smallest
    p5 double, -- 5th percentile
    p25 double, -- 25th percentile
    p50 double, -- median
    p75 double, -- 75th percentile
    p90 double, -- 90th percentile
    p95 double, -- 95th percentile
    p99 double, -- 99th percentile
    maximum double, -- largest
    primary key (run_id, metric)
);

-- One row per setup of several runs, or whose prompts were not all asked equally often, and energy of an answer: its percentiles over the valid rows
-- of these runs, in which every prompt counts once; where a rule divided the energy, every answer.
create table setup_summary (
    setup varchar not null, -- shared by runs that are alike in all but seed, time, host and card
    only_valid boolean not null, -- of its valid runs; false: of all, where some are not valid
    metric varchar not null, -- an energy of an answer, as in run_summary
    answers bigint not null, -- valid rows that have it
    asked_prompts bigint, -- different prompts among them; null where all were asked equally often
    prompt_stddev double, -- sample standard deviation of the means of these prompts
    p5 double, -- 5th percentile
    p25 double, -- 25th percentile
    p50 double, -- median
    p75 double, -- 75th percentile
    p90 double, -- 90th percentile
    p95 double, -- 95th percentile
    p99 double, -- 99th percentile
    primary key (setup, only_valid, metric)
);

-- One row per run of a setup whose prompts were not all asked equally often, each alone on the GPU: sums over the valid rows of the run in which every
-- prompt of the setup counts alike. An answer weighs by one over how many answers its prompt has in all valid runs of the setup; the weights of a setup
-- add up to its answers.
create table evened (
    run_id varchar primary key, -- the run
    answers double not null, -- valid rows, weighed
    output_tokens double not null, -- token
    input_tokens double, -- token
    latency_s double, -- s
    busy_s double, -- s: the time in which prompts were being answered; null where it is not that of the answers one after another
    ttfts double not null, -- rows with a time to first token, weighed
    ttft_s double, -- s
    tpots double not null, -- rows with a time per output token, weighed
    tpot_s double, -- s
    measured double not null, -- rows with an energy, weighed; the sums that follow are of these
    energy_j double, -- J
    energy_above_idle_j double, -- J: above the power of the idle GPU
    energy_above_active_idle_j double, -- J: above the power of the loaded GPU that waits
    measured_output_tokens double, -- token
    measured_total_tokens double, -- token: input and output
    measured_words double, -- words of the answers
    measured_chars double, -- characters of the answers
    measured_latency_s double -- s
);

-- One row per configuration: a published aggregate, or one run of ours. What a leaderboard needs, computed at ingest from the view `configurations`, so
-- that it costs the number of rows that are shown and not a plan over eight tables. Its numbers are those of warehouse/metrics.csv, put in by create.py.
create table results (
    result_id varchar primary key, -- published:source:gpu:task:model:…, or run: and the id of the run
    origin varchar not null, -- published or measured
    source varchar not null, -- who published or measured
    generation varchar not null, -- v1, v2, v3 of the published tables; own, or imported from another tool
    model_id varchar not null, -- canonical id
    gpu_model varchar not null, -- the chip's short name, see gpu_label; CPU without a GPU, unknown behind a server
    num_gpus integer, -- GPUs whose energy is summed; 0 on a CPU
    task varchar, -- task
    engine varchar, -- how the model was run
    dtype varchar, -- number format of the weights
    weights varchar, -- pretrained, or dummy: random weights, energy per token is real and the text is not
    batch_size integer, -- prompts per batch, or requests served at once
    concurrency integer, -- requests in flight
    prompt_set varchar, -- name of the prompt set; null where it was published
    prompts bigint, -- prompts behind the averages
    {metrics},
    energy_reason varchar, -- why energy_j is null
    valid boolean not null, -- counts in comparisons; published figures do
    reasons varchar[] not null, -- codes of reason_codes that hold for the run
    edges varchar, -- how the window's edges meet the counter's steps: plain or aligned
    harness_version varchar, -- version of the measuring protocol
    licence varchar, -- licence of the figure: of a published one, and of a run that ships with the project
    url varchar, -- where it was published
    started_at timestamptz, -- first response begun; null where it was published
    clock varchar, -- whose clock started_at is: UTC; local, zone unknown; or the time of the file, where the source gives none
    weights_format varchar, -- what the weights were loaded from: safetensors, gguf:Q4_1 dequantised, random, ...; null where it was not recorded or stated
    experiment_id varchar, -- shared by the runs of one experiment; null where it was published
    setup varchar, -- shared by runs that are alike in all but seed, time, host and card; null where it was published
    model_name varchar not null, -- name of the model
    model_url varchar, -- the model's page
    family varchar not null, -- family of the model
    quality_source varchar, -- who scored: all three scores are by one source, of several the one with most of them, without a limit of samples, loaded last
    quality_sources integer -- how many sources have scores of the model; null for random weights
);

-- One row per setup with energy of an answer: what its runs, alike in all but seed, time, host and card, come to together. A published aggregate is one, too.
-- A filter keeps all valid runs of a setup or none, and so there is a row of these and one of all. Every prompt counts once.
create table setup_sums (
    setup varchar not null, -- shared by its runs; of a published aggregate its result_id
    only_valid boolean not null, -- of its valid runs; false: of all
    source varchar not null, -- who published or measured
    model_id varchar not null, -- canonical id
    gpu_model varchar not null, -- the chip's short name, see gpu_label
    task varchar, -- task
    prompt_set varchar, -- prompts that were asked
    engine varchar, -- how the model was run
    batch_size integer, -- prompts per batch, or requests served at once
    weights varchar, -- pretrained, or dummy: random weights
    harness_version varchar, -- version of the measuring protocol
    kind varchar not null, -- how the energy of an answer came about: measured, divided by a rule among answers given together, or estimated by the source
    result_id varchar not null, -- the first of its runs
    runs bigint not null, -- runs with energy of an answer
    prompts bigint, -- prompts behind the averages
    answer_j double, -- J: mean energy of an answer
    output_tokens double, -- token: mean length of an answer
    energy_per_token_j double, -- J/token: ratio of sums
    between_runs double, -- standard deviation of ln(J/token) between runs
    newest_id varchar, -- newest of its runs with J/token; null, as what follows, unless they are of our own, on one GPU, of known size and number format
    newest_at timestamptz, -- its first response begun
    size double, -- 1e9: its parameters, two digits
    protocol integer, -- the number before the dot of harness_version
    "precision" varchar, -- number format of the weights; null for 16 bits
    answers bigint, -- valid rows with energy
    steady_j double, -- J/token: of a server while its batch was full; null unless every run has such a time
    throughput_tps double, -- token/s
    units bigint, -- in the run with fewest, things measured by themselves: answers, batches, or windows of a server
    log_error double, -- standard error of ln(J/token) over these, mean of the runs
    calibration double, -- what the meter may be off in all of a run, relative, half-width: the most of them
    logs struct(ln double, card varchar, search varchar, weight double)[], -- of each run ln(J/token) (of a server steady), card, kernels searched, J
    primary key (setup, only_valid)
);
