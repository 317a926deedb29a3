-- The tables of the warehouse: facts, as they came from files. What is derived from them is in definitions/.
-- Units are base SI; the unit of a column stands before the colon of its comment. Not measured is null, never 0.

-- One row per prompt answered: the columns of bench/record.py with their comments, put in by create.py, the file it came from, and the verdict on it.
create table requests (
    {record},
    file_id integer not null,
    run_number integer not null,
    valid boolean not null,
    reasons varchar[] not null
);

comment on column requests.file_id is 'the ingested file';
comment on column requests.run_number is 'runs.run_number: what rows are joined on, since a number is quicker than an id';
comment on column requests.valid is 'counts in averages; see docs/verdicts.md';
comment on column requests.reasons is 'codes of reason_codes that hold for this row';

-- One row: which version of the project made this file.
create table meta (
    schema_version integer not null,
    project_version varchar not null
);

comment on column meta.schema_version is 'version of these tables';
comment on column meta.project_version is 'version of the project';

-- One row per file that was loaded.
create table ingested_files (
    file_id integer primary key,
    path varchar not null,
    sha256 varchar not null unique,
    format varchar not null,
    accepted bigint not null,
    rejected bigint not null,
    bytes bigint not null,
    ingested_at timestamptz not null
);

comment on column ingested_files.file_id is 'number of the file in this warehouse';
comment on column ingested_files.path is 'where it was, relative to the warehouse when it lies below it';
comment on column ingested_files.sha256 is 'hash of its bytes';
comment on column ingested_files.format is 'which reader read it';
comment on column ingested_files.accepted is 'rows loaded';
comment on column ingested_files.rejected is 'rows refused';
comment on column ingested_files.bytes is 'byte: its size';
comment on column ingested_files.ingested_at is 'when it was loaded';

-- One row per row that was refused.
create table rejects (
    file_id integer,
    path varchar not null,
    "row" bigint,
    "column" varchar,
    reason varchar not null
);

comment on column rejects.file_id is 'the ingested file; null when the file could not be read at all';
comment on column rejects.path is 'where the file was';
comment on column rejects."row" is 'number of the row in the file, from 1 (of CSV and JSON lines: of the line); null when the whole file is meant';
comment on column rejects."column" is 'the column that breaks the contract';
comment on column rejects.reason is 'what is wrong';

-- One row per reason that a verdict can give; docs/verdicts.md explains them.
create table reason_codes (
    code varchar not null,
    scope varchar not null,
    invalidates boolean not null,
    meaning varchar not null,
    primary key (code, scope)
);

comment on column reason_codes.code is 'short name';
comment on column reason_codes.scope is 'request or run';
comment on column reason_codes.invalidates is 'true: not valid; false: a note';
comment on column reason_codes.meaning is 'one sentence';

-- One row per task.
create table tasks (
    task varchar primary key,
    system_prompt varchar not null,
    verbose_twin varchar
);

comment on column tasks.task is 'name';
comment on column tasks.system_prompt is 'what every model is told first';
comment on column tasks.verbose_twin is 'for a concise task, the task it is compared with';

-- One row per model, whatever its sources call it.
create table models (
    model_id varchar primary key,
    name varchar not null,
    url varchar,
    family varchar not null,
    params_total_b double,
    params_active_b double
);

comment on column models.model_id is 'canonical id';
comment on column models.name is 'short name for people';
comment on column models.url is 'page about the model';
comment on column models.family is 'models of one origin share it, and its colour';
comment on column models.params_total_b is '1e9: parameters, all of them';
comment on column models.params_active_b is '1e9: parameters used per token';

-- One row per spelling of a model, in lower case.
create table model_aliases (
    alias varchar primary key,
    model_id varchar not null
);

comment on column model_aliases.alias is 'as a source spells it, lower case';
comment on column model_aliases.model_id is 'canonical id';

-- One row per benchmark score of a model.
create table quality (
    model_id varchar not null,
    benchmark varchar not null,
    metric varchar,
    score double not null,
    stderr double,
    fewshot integer,
    version varchar,
    source varchar not null,
    file_id integer not null
);

comment on column quality.model_id is 'canonical id';
comment on column quality.benchmark is 'e.g. arc, hellaswag, truthfulqa';
comment on column quality.metric is 'what was counted; null when the source does not say';
comment on column quality.score is 'percent; for what is no share (perplexity, bits per byte, ...) the metric''s own unit, or as written where the metric says that its scale is not stated';
comment on column quality.stderr is 'standard error, in the unit of the score';
comment on column quality.fewshot is 'examples in the prompt; null when the source does not say';
comment on column quality.version is 'version of the benchmark';
comment on column quality.source is 'who scored';
comment on column quality.file_id is 'the ingested file';

-- One row per published aggregate: a model on a GPU with a task and a setup.
create table published (
    result_id varchar primary key,
    source varchar not null,
    generation varchar not null,
    model_id varchar not null,
    published_model_id varchar not null,
    gpu_model varchar not null,
    published_gpu_model varchar not null,
    num_gpus smallint not null,
    parallelism varchar,
    task varchar not null,
    engine varchar not null,
    dtype varchar,
    batch_size integer,
    mean_batch_size double,
    concurrency integer,
    repetition smallint,
    prompts integer,
    energy_j double,
    estimated_energy_j double,
    energy_per_token_j double,
    throughput_tps double,
    output_tokens double,
    input_tokens double,
    latency_s double,
    ttft_s double,
    tpot_s double,
    itl_p50_s double,
    itl_p99_s double,
    power_w double,
    harness_version varchar not null,
    licence varchar not null,
    url varchar,
    file_id integer not null
);

comment on column published.result_id is 'published:source:gpu:task:model:…';
comment on column published.source is 'who published';
comment on column published.generation is 'v1, v2, v3';
comment on column published.model_id is 'canonical id';
comment on column published.published_model_id is 'as the source spells it';
comment on column published.gpu_model is 'the chip''s short name, see gpu_label';
comment on column published.published_gpu_model is 'the GPU''s name as the source spells it';
comment on column published.num_gpus is 'GPUs whose energy is summed';
comment on column published.parallelism is 'how the model was spread over GPUs: tp, pp, ep, dp and a number each; null when the source does not say';
comment on column published.task is 'task';
comment on column published.engine is 'how the model was run';
comment on column published.dtype is 'number format of the weights';
comment on column published.batch_size is 'prompts per batch, or requests served at once';
comment on column published.mean_batch_size is 'requests that were served at once, on average';
comment on column published.concurrency is 'requests in flight';
comment on column published.repetition is 'number of the figure among those of the same setup, from 1; null for the first';
comment on column published.prompts is 'prompts behind the averages';
comment on column published.energy_j is 'J: mean GPU energy of a response, measured';
comment on column published.estimated_energy_j is 'J: mean GPU energy of a response, modelled';
comment on column published.energy_per_token_j is 'J/token: as published; null when it is energy over length';
comment on column published.throughput_tps is 'token/s: as published';
comment on column published.output_tokens is 'token: mean length of a response';
comment on column published.input_tokens is 'token: mean length of a prompt';
comment on column published.latency_s is 's: mean time of a response';
comment on column published.ttft_s is 's: mean time to first token';
comment on column published.tpot_s is 's: mean time per output token';
comment on column published.itl_p50_s is 's: median gap between tokens';
comment on column published.itl_p99_s is 's: 99th percentile of the gaps';
comment on column published.power_w is 'W: mean GPU power';
comment on column published.harness_version is 'the measuring protocol';
comment on column published.licence is 'licence of the figure';
comment on column published.url is 'where it was published';
comment on column published.file_id is 'the ingested file';

-- One row per run of a tool that knows totals but no prompts and no tokens.
create table run_totals (
    source varchar not null,
    run_id varchar not null,
    task varchar,
    project varchar,
    ended_at timestamp,
    duration_s double not null,
    gpu_energy_j double,
    cpu_energy_j double,
    dram_energy_j double,
    gpu_model varchar,
    num_gpus smallint,
    harness_version varchar,
    file_id integer not null
);

comment on column run_totals.source is 'the tool';
comment on column run_totals.run_id is 'id that the tool gave';
comment on column run_totals.task is 'part of the run that the tool was told to count alone; null for the whole run';
comment on column run_totals.project is 'name that the user gave';
comment on column run_totals.ended_at is 'when the tool wrote the row, in the clock of its machine';
comment on column run_totals.duration_s is 's: length of the run';
comment on column run_totals.gpu_energy_j is 'J: all GPUs';
comment on column run_totals.cpu_energy_j is 'J: CPU, as the tool measured or guessed it';
comment on column run_totals.dram_energy_j is 'J: memory, as the tool measured or guessed it';
comment on column run_totals.gpu_model is 'the GPU''s name as the tool spells it';
comment on column run_totals.num_gpus is 'GPUs';
comment on column run_totals.harness_version is 'version of the tool';
comment on column run_totals.file_id is 'the ingested file';

-- One row per run.json: what the measuring side wrote about a whole run.
create table run_notes (
    run_id varchar primary key,
    fingerprint varchar,
    finished boolean,
    sessions integer not null,
    books_counter_j double,
    books_windows_j double,
    books_gaps_j double,
    books_ratio double,
    counter_step_s double,
    steady_energy_j double,
    steady_output_tokens double,
    file_id integer not null
);

comment on column run_notes.run_id is 'the run';
comment on column run_notes.fingerprint is 'hash of the setup';
comment on column run_notes.finished is 'false: the run can be resumed';
comment on column run_notes.sessions is 'times the run was started or resumed';
comment on column run_notes.books_counter_j is 'J: counter over the whole run';
comment on column run_notes.books_windows_j is 'J: sum of the windows';
comment on column run_notes.books_gaps_j is 'J: sum of the gaps between windows';
comment on column run_notes.books_ratio is 'windows and gaps over counter; 1 is right';
comment on column run_notes.counter_step_s is 's: longest step of the counter';
comment on column run_notes.steady_energy_j is 'J: of a server while its batch was full, over all sessions; null without such a time';
comment on column run_notes.steady_output_tokens is 'token: written by a server while its batch was full';
comment on column run_notes.file_id is 'the ingested file';

-- One row per run of ours: its setup, its totals over valid rows, its verdict.
create table runs (
    run_id varchar primary key,
    run_number integer not null unique,
    source varchar not null,
    model_id varchar not null,
    loaded_model_id varchar not null,
    {setup},
    gpu varchar not null,
    batch_size smallint,
    started_at timestamptz,
    ended_at timestamptz,
    clock varchar not null,
    prompts bigint not null,
    ok bigint not null,
    failed bigint not null,
    counted bigint not null,
    measured bigint not null,
    resolved bigint not null,
    texts bigint not null,
    truncated bigint not null,
    throttled bigint not null,
    power_capped bigint,
    cold bigint,
    looped bigint,
    beside_busy bigint,
    energy_reason varchar,
    energy_j_total double,
    measured_output_tokens_total bigint,
    measured_latency_s_total double,
    token_units bigint,
    answers_per_prompt bigint not null,
    token_log_error double,
    output_tokens_total bigint,
    latency_s_total double,
    busy_s_total double,
    itl_p50_s double,
    itl_p99_s double,
    books_counter_j double,
    books_windows_j double,
    books_gaps_j double,
    books_ratio double,
    counter_step_s double,
    finished boolean,
    valid boolean not null,
    reasons varchar[] not null
);

comment on column runs.run_id is 'the run';
comment on column runs.run_number is 'number of the run in this warehouse';
comment on column runs.source is 'who measured: this project, or the tool whose file it was';
comment on column runs.model_id is 'canonical id';
comment on column runs.loaded_model_id is 'the model as the engine loaded it';
comment on column runs.gpu is 'the chip''s short name, see gpu_label; CPU without a GPU, unknown behind a server';
comment on column runs.batch_size is 'prompts answered at once: of a static batch, or requests in flight at a server (on average, if they came at a rate)';
comment on column runs.started_at is 'first response begun';
comment on column runs.ended_at is 'last response ended';
comment on column runs.clock is 'whose clock started_at and ended_at are: UTC; local, zone unknown; or the time of the file, where the source gives none';
comment on column runs.prompts is 'rows';
comment on column runs.ok is 'rows that did not fail';
comment on column runs.failed is 'rows that failed';
comment on column runs.counted is 'valid rows: those behind every total and average';
comment on column runs.measured is 'valid rows with energy';
comment on column runs.resolved is 'measured rows whose error is at most 10 % of the value';
comment on column runs.texts is 'rows with the text of their prompt';
comment on column runs.truncated is 'ok rows that hit the length limit';
comment on column runs.throttled is 'ok rows during which the GPU lowered its clocks';
comment on column runs.power_capped is 'answers in which a GPU kept to its power limit; null where no row says';
comment on column runs.cold is 'answers of sessions whose warm-up did not end with two answers that agreed';
comment on column runs.looped is 'answers of which a good part repeats itself';
comment on column runs.beside_busy is 'answers during which another GPU of the host, or the host itself, was busy';
comment on column runs.energy_reason is 'why no energy was measured: the most frequent reason; null when some was';
comment on column runs.energy_j_total is 'J: sum over measured rows';
comment on column runs.measured_output_tokens_total is 'token: sum over measured rows';
comment on column runs.measured_latency_s_total is 's: sum over measured rows';
comment on column runs.answers_per_prompt is 'how often each prompt was answered: answers to one prompt are alike';
comment on column runs.token_units is 'what J/token was measured on: prompts that were alone on the GPU, or windows of several answers';
comment on column runs.token_log_error is 'standard error of ln(J/token) over these, within the run; null for fewer than two';
comment on column runs.output_tokens_total is 'token: sum over valid rows';
comment on column runs.latency_s_total is 's: sum over valid rows';
comment on column runs.busy_s_total is 's: time in which a valid row was being answered; as latency_s_total, but a batch or a server''s session counts once';
comment on column runs.itl_p50_s is 's: median gap between tokens of valid rows';
comment on column runs.itl_p99_s is 's: 99th percentile of the gaps';
comment on column runs.books_counter_j is 'J: counter over the whole run';
comment on column runs.books_windows_j is 'J: sum of the windows';
comment on column runs.books_gaps_j is 'J: sum of the gaps';
comment on column runs.books_ratio is 'windows and gaps over counter; 1 is right';
comment on column runs.counter_step_s is 's: longest step of the counter';
comment on column runs.finished is 'false: the run can be resumed; null: no run.json';
comment on column runs.valid is 'counts in comparisons; see docs/verdicts.md';
comment on column runs.reasons is 'codes of reason_codes that hold for this run';

-- One row per run and metric: the distribution over valid rows that have the metric.
create table run_summary (
    run_id varchar not null,
    metric varchar not null,
    prompts bigint not null,
    mean double,
    stddev double,
    minimum double,
    p5 double,
    p25 double,
    p50 double,
    p75 double,
    p90 double,
    p95 double,
    p99 double,
    maximum double,
    primary key (run_id, metric)
);

comment on column run_summary.run_id is 'the run';
comment on column run_summary.metric is 'a per-prompt metric';
comment on column run_summary.prompts is 'valid rows that have it';
comment on column run_summary.mean is 'average, in the metric''s unit';
comment on column run_summary.stddev is 'sample standard deviation';
comment on column run_summary.minimum is 'smallest';
comment on column run_summary.p5 is '5th percentile';
comment on column run_summary.p25 is '25th percentile';
comment on column run_summary.p50 is 'median';
comment on column run_summary.p75 is '75th percentile';
comment on column run_summary.p90 is '90th percentile';
comment on column run_summary.p95 is '95th percentile';
comment on column run_summary.p99 is '99th percentile';
comment on column run_summary.maximum is 'largest';

-- One row per configuration: a published aggregate, or one run of ours. What a leaderboard needs, computed at ingest from the view `configurations`, so
-- that it costs the number of rows that are shown and not a plan over eight tables.
create table results (
    result_id varchar primary key,
    origin varchar not null,
    source varchar not null,
    generation varchar not null,
    model_id varchar not null,
    gpu_model varchar not null,
    num_gpus integer,
    task varchar,
    engine varchar,
    dtype varchar,
    weights varchar,
    batch_size integer,
    concurrency integer,
    prompt_set varchar,
    prompts bigint,
    energy_j double,
    energy_median_j double,
    energy_p90_j double,
    energy_p95_j double,
    energy_p99_j double,
    energy_error_j double,
    estimated_energy_j double,
    energy_per_token_j double,
    throughput_tps double,
    output_tokens double,
    input_tokens double,
    latency_s double,
    ttft_s double,
    tpot_s double,
    itl_p50_s double,
    itl_p99_s double,
    power_w double,
    idle_power_w double,
    energy_above_idle_j double,
    energy_above_active_idle_j double,
    energy_reason varchar,
    valid boolean not null,
    reasons varchar[] not null,
    truncated_share double,
    power_capped_share double,
    edges varchar,
    harness_version varchar,
    licence varchar,
    url varchar,
    started_at timestamptz,
    clock varchar,
    weights_format varchar,
    experiment_id varchar,
    setup varchar,
    model_name varchar not null,
    model_url varchar,
    family varchar not null,
    params_total_b double,
    params_active_b double,
    arc double,
    hellaswag double,
    truthfulqa double,
    quality_mean double
);

comment on column results.result_id is 'published:source:gpu:task:model:…, or run: and the id of the run';
comment on column results.origin is 'published or measured';
comment on column results.source is 'who published or measured';
comment on column results.generation is 'v1, v2, v3 of the published tables; own, or imported from another tool';
comment on column results.model_id is 'canonical id';
comment on column results.gpu_model is 'the chip''s short name, see gpu_label; CPU without a GPU, unknown behind a server';
comment on column results.num_gpus is 'GPUs whose energy is summed; 0 on a CPU';
comment on column results.task is 'task';
comment on column results.engine is 'how the model was run';
comment on column results.dtype is 'number format of the weights';
comment on column results.weights is 'pretrained, or dummy: random weights, energy per token is real and the text is not';
comment on column results.batch_size is 'prompts per batch, or requests served at once';
comment on column results.concurrency is 'requests in flight';
comment on column results.prompt_set is 'name of the prompt set; null where it was published';
comment on column results.prompts is 'prompts behind the averages';
comment on column results.energy_j is 'J: mean GPU energy of a response, measured';
comment on column results.energy_median_j is 'J: median over prompts; null where it was published, like the other percentiles';
comment on column results.energy_p90_j is 'J: 90th percentile over prompts';
comment on column results.energy_p95_j is 'J: 95th percentile over prompts';
comment on column results.energy_p99_j is 'J: 99th percentile over prompts';
comment on column results.energy_error_j is 'J: half-width: how far the mean of energy_j can be off because of the meter, see macro error_of_mean';
comment on column results.estimated_energy_j is 'J: mean GPU energy of a response, modelled';
comment on column results.energy_per_token_j is 'J/token: as published, else total energy over total output tokens';
comment on column results.throughput_tps is 'token/s: as published, else total output tokens over the time in which prompts were being answered';
comment on column results.output_tokens is 'token: mean length of a response';
comment on column results.input_tokens is 'token: mean length of a prompt';
comment on column results.latency_s is 's: mean time of a response';
comment on column results.ttft_s is 's: mean time to first token';
comment on column results.tpot_s is 's: mean time per output token';
comment on column results.itl_p50_s is 's: median gap between tokens';
comment on column results.itl_p99_s is 's: 99th percentile of the gaps';
comment on column results.power_w is 'W: mean GPU power';
comment on column results.idle_power_w is 'W: GPU power before the run; null where it was published';
comment on column results.energy_above_idle_j is 'J: mean energy of a response above the power of the idle GPU; null where requests shared the GPU';
comment on column results.energy_above_active_idle_j is 'J: mean energy of a response above the power of the loaded GPU that waits; null where requests shared the GPU, and where nobody measured it';
comment on column results.energy_reason is 'why energy_j is null';
comment on column results.valid is 'counts in comparisons; published figures do';
comment on column results.reasons is 'codes of reason_codes that hold for the run';
comment on column results.truncated_share is 'share of the answers that hit the length limit';
comment on column results.power_capped_share is 'share of the answers during which a GPU kept to its power limit; null where it was not recorded';
comment on column results.edges is 'how the window''s edges meet the counter''s steps: plain or aligned';
comment on column results.harness_version is 'version of the measuring protocol';
comment on column results.licence is 'licence of the figure, where it was published';
comment on column results.url is 'where it was published';
comment on column results.started_at is 'first response begun; null where it was published';
comment on column results.clock is 'whose clock started_at is: UTC; local, zone unknown; or the time of the file, where the source gives none';
comment on column results.model_name is 'name of the model';
comment on column results.model_url is 'the model''s page';
comment on column results.family is 'family of the model';
comment on column results.params_total_b is '1e9: parameters, all of them';
comment on column results.params_active_b is '1e9: parameters used per token; equal to the total for dense models';
comment on column results.arc is '%: score in ARC; null for random weights, like the other scores';
comment on column results.hellaswag is '%: score in HellaSwag';
comment on column results.truthfulqa is '%: score in TruthfulQA';
comment on column results.quality_mean is '%: mean of the three scores';
comment on column results.weights_format is 'what the weights were loaded from: safetensors, gguf:Q4_1 dequantised, random, ...; null where it was not recorded or stated';
comment on column results.experiment_id is 'shared by the runs of one experiment; null where it was published';
comment on column results.setup is 'shared by runs that are alike in all but seed, time, host and card; null where it was published';
