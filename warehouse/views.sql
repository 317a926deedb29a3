-- The definitions: every derived number and every verdict of the warehouse, once. Tables are in schema.sql.

-- Shares above which a verdict is given.
create macro unresolved_share() as 0.10;
create macro books_tolerance() as 0.02;
create macro run_share() as 0.10;
create macro few_prompts() as 20;

-- The reasons that hold for one row. docs/verdicts.md explains each.
create macro request_reasons(
    status, finish_reason, throttled, energy_j, energy_error_j, energy_reason, energy_attribution, output_tokens
) as list_filter(
    [
        case when status = 'failed' then 'failed' end,
        case when throttled then 'throttled' end,
        case when finish_reason = 'length' then 'truncated' end,
        case when energy_j is null and status = 'ok' then 'no-energy' end,
        case when energy_j is null and status = 'ok' and energy_reason is null then 'no-energy-reason' end,
        case when energy_error_j > unresolved_share() * energy_j then 'not-resolved' end,
        case when energy_attribution = 'shared' and energy_j is not null then 'shared-gpu' end,
        case when output_tokens = 0 and status = 'ok' then 'no-tokens' end
    ],
    lambda code: code is not null
);

-- Whether one row counts in totals and averages.
create macro request_is_valid(status, throttled) as status = 'ok' and throttled is distinct from true;

-- The reasons that hold for one run.
create macro run_reasons(
    prompts, ok, counted, measured, resolved, truncated, throttled, idle_power_w, books_ratio, finished, weights
) as list_filter(
    [
        case when counted = 0 then 'no-valid-rows' end,
        case when abs(books_ratio - 1) > books_tolerance() then 'books' end,
        case when throttled > run_share() * ok then 'throttled' end,
        case when prompts > ok then 'failed' end,
        case when counted < few_prompts() then 'too-few-prompts' end,
        case when measured = 0 then 'no-energy' end,
        case when measured > 0 and measured - resolved > run_share() * measured then 'not-resolved' end,
        case when measured > 0 and idle_power_w is null then 'no-idle-power' end,
        case when truncated > run_share() * ok then 'truncated' end,
        case when weights = 'dummy' then 'dummy-weights' end,
        case when not finished then 'unfinished' end
    ],
    lambda code: code is not null
);

-- Whether a run counts in comparisons.
create macro run_is_valid(reasons) as not list_has_any(reasons, ['no-valid-rows', 'books', 'throttled']);

insert into reason_codes
values
    ('failed', 'request', true, 'The model gave no answer; the row says why.'),
    ('throttled', 'request', true, 'The GPU lowered its clocks for heat or power during this response.'),
    ('truncated', 'request', false, 'The answer hit the length limit.'),
    ('no-energy', 'request', false, 'The energy was not measured; the row says why.'),
    ('no-energy-reason', 'request', false, 'The energy was not measured and nobody wrote why.'),
    ('not-resolved', 'request', false, 'The counter''s step makes the energy uncertain by more than 10 %.'),
    ('shared-gpu', 'request', false, 'Other requests ran at the same time; the energy was divided by a rule.'),
    ('no-tokens', 'request', false, 'The answer is empty: it has no energy per token.'),
    ('no-valid-rows', 'run', true, 'No row of the run is valid.'),
    ('books', 'run', true, 'The energy of the windows and gaps is more than 2 % off the counter of the whole run.'),
    ('throttled', 'run', true, 'The GPU lowered its clocks in more than 10 % of the responses.'),
    ('failed', 'run', false, 'Some prompts failed; they are left out of the averages.'),
    ('too-few-prompts', 'run', false, 'Under 20 valid rows: averages are rough.'),
    ('no-energy', 'run', false, 'No energy was measured.'),
    ('not-resolved', 'run', false, 'More than 10 % of the energies are uncertain by more than 10 %.'),
    ('no-idle-power', 'run', false, 'Idle power was not recorded: energy above idle is not known.'),
    ('truncated', 'run', false, 'More than 10 % of the answers hit the length limit.'),
    ('dummy-weights', 'run', false, 'Random weights: the energy per token is real, the text is not.'),
    ('unfinished', 'run', false, 'The run was stopped and can be resumed.');

-- Ratios. Null when the divisor is null or not positive, never infinite.
create macro ratio(upper, lower) as case when lower > 0 then upper / lower end;
create macro time_per_output_token(latency_s, ttft_s, output_tokens) as
    case when output_tokens >= 2 then (latency_s - ttft_s) / (output_tokens - 1) end;

-- The chip in a GPU's full name, or an empty text.
create macro gpu_chip(full_name) as regexp_extract(
    full_name,
    '\b(GB300|GB200|GH200|B300|B200|H200|H100|H800|H20|A100|A800|A40|A30|A10G|A10|V100|P100|T4|L40S|L40|L4|MI[0-9]+[AX]?)\b',
    1
);

-- A GPU's short name, so that "A100", "NVIDIA A100-SXM4-40GB" and "A100-SXM4-40GB" are one choice; what makes another card of the same chip
-- (PCIe, NVL, the A100 of 80 GB) stays in it. "CPU" stands for rows without a GPU.
create macro gpu_label(full_name) as case
    when full_name is null then 'CPU'
    when gpu_chip(full_name) = '' then regexp_replace(full_name, '^NVIDIA ', '')
    else concat_ws(
        ' ',
        gpu_chip(full_name),
        nullif(regexp_extract(full_name, '\b(PCIe|PCIE|NVL)\b', 1), ''),
        case when gpu_chip(full_name) = 'A100' and contains(full_name, '80GB') then '80GB' end
    )
end;

-- Who measured the rows of a file, by its format.
create macro own_source() as 'Prompt Joules';
create macro source_of(format) as case format
    when 'aiperf' then 'AIPerf'
    when 'vllm-bench' then 'vLLM'
    when 'mlenergy-v1-prompts' then 'ML.ENERGY v1'
    when 'mlenergy-v3-run' then 'ML.ENERGY v3'
    when 'mapped' then 'mapped file'
    else own_source()
end;

-- The power (W) of the idle GPU that is taken off the energy of a run's responses; null where requests shared the GPU: it belongs to all of them.
create macro own_idle_power(idle_power_w, energy_attribution) as case when energy_attribution is distinct from 'shared' then idle_power_w end;

-- Energy above the power of the idle GPU; null where that is not known.
create macro above_idle(energy_j, latency_s, own_idle_power_w) as energy_j - own_idle_power_w * latency_s;

-- The bucket of 1 % in which an energy is counted; below all others where it is not positive, null where it was not measured. What is so small or so large
-- that nobody measures it shares the first and the last bucket.
create macro energy_bucket(energy_j) as case
    when energy_j > 0 then greatest(least((100 * ln(energy_j))::integer, 9999), -9999)
    when energy_j is not null then -10000
end::smallint;

-- Where the text of a prompt may be read, as one number: the largest of several is the best, a run that has the texts of all its prompts rather than some.
-- Its remainder is the number of the run; null for a run without texts.
create macro text_place(run_number, texts, prompts) as case when texts > 0 then (texts = prompts)::bigint * 4294967296 + run_number end;
create macro run_of_text_place(place) as (place % 4294967296)::integer;

-- One row per run of ours, with the names that people filter by.
create view labelled_runs as
select
    runs.run_number,
    runs.run_id,
    runs.valid,
    runs.model_id,
    models.name as model_name,
    models.family,
    runs.gpu as gpu_model,
    runs.task,
    runs.engine,
    runs.source,
    runs.batch_size,
    runs.weights,
    runs.prompt_set,
    runs.prompt_set_sha256,
    runs.harness_version,
    own_idle_power(runs.idle_power_w, runs.energy_attribution) as own_idle_power_w
from runs
join models on models.model_id = runs.model_id;

-- One row per prompt answered, with every per-prompt metric that follows from the row alone.
create view measured_requests as
select
    *,
    ratio(energy_j, output_tokens) as energy_per_token_j,
    ratio(energy_j, output_words) as energy_per_word_j,
    time_per_output_token(latency_s, ttft_s, output_tokens) as tpot_s,
    ratio(output_tokens, latency_s) as throughput_tps,
    ratio(energy_j, latency_s) as power_w
from requests;

-- One row per prompt answered, with the labels of its run and every per-prompt metric.
create view prompts as
select
    runs.run_number,
    runs.run_id,
    requests.sequence,
    requests.prompt_id,
    requests.repetition,
    requests.status,
    requests.finish_reason,
    requests.valid and runs.valid as valid,
    requests.reasons,
    runs.model_id,
    runs.model_name,
    runs.family,
    runs.gpu_model,
    runs.task,
    runs.engine,
    runs.source,
    runs.batch_size,
    runs.weights,
    runs.prompt_set,
    runs.harness_version,
    requests.energy_j,
    requests.energy_error_j,
    requests.input_tokens,
    requests.output_tokens,
    requests.output_words,
    requests.output_chars,
    requests.latency_s,
    requests.ttft_s,
    requests.energy_per_token_j,
    requests.energy_per_word_j,
    above_idle(requests.energy_j, requests.latency_s, runs.own_idle_power_w) as energy_above_idle_j,
    requests.tpot_s,
    requests.throughput_tps,
    requests.power_w
from measured_requests as requests
join labelled_runs as runs on runs.run_number = requests.run_number;

-- One per-prompt metric by its name; null for a name that does not exist.
create macro metric_value(
    metric, energy_j, energy_error_j, energy_per_token_j, output_tokens, input_tokens, latency_s, ttft_s, tpot_s, throughput_tps, energy_per_word_j, power_w
) as case metric
    when 'energy_j' then energy_j
    when 'energy_error_j' then energy_error_j
    when 'energy_per_token_j' then energy_per_token_j
    when 'output_tokens' then output_tokens::double
    when 'input_tokens' then input_tokens::double
    when 'latency_s' then latency_s
    when 'ttft_s' then ttft_s
    when 'tpot_s' then tpot_s
    when 'throughput_tps' then throughput_tps
    when 'energy_per_word_j' then energy_per_word_j
    when 'power_w' then power_w
end;

-- The energy of one prompt divided as a name says ("energy_mean_per_word_j", "energy_above_idle_mean_per_word_j", ...); null for other names.
create macro divided_energy(metric, energy_j, energy_above_idle_j, output_tokens, input_tokens, output_words, output_chars) as ratio(
    case when starts_with(metric, 'energy_above_idle') then energy_above_idle_j else energy_j end,
    case
        when metric = 'energy_above_idle_j' then 1
        when ends_with(metric, '_per_output_token_j') then output_tokens
        when ends_with(metric, '_per_total_token_j') then input_tokens::bigint + output_tokens
        when ends_with(metric, '_per_word_j') then output_words
        when ends_with(metric, '_per_character_j') then output_chars
    end
);

-- What one prompt has of a number that Distributions shows, by its name.
create macro prompt_value(
    metric, energy_j, energy_error_j, energy_per_token_j, output_tokens, input_tokens, latency_s, ttft_s, tpot_s, throughput_tps, energy_per_word_j, power_w,
    energy_above_idle_j, output_words, output_chars
) as coalesce(
    metric_value(
        metric, energy_j, energy_error_j, energy_per_token_j, output_tokens, input_tokens, latency_s, ttft_s, tpot_s, throughput_tps, energy_per_word_j, power_w
    ),
    divided_energy(metric, energy_j, energy_above_idle_j, output_tokens, input_tokens, output_words, output_chars)
);

-- The name of the group that a row belongs to. A result is all that names a configuration of ours.
create macro series_name(grouped_by, model_name, task, gpu_model, engine, batch_size, prompt_set, weights, harness_version) as case grouped_by
    when 'result' then concat_ws(
        ' · ',
        model_name,
        gpu_model,
        task,
        engine,
        'batch ' || batch_size,
        prompt_set,
        case when weights = 'dummy' then 'random weights' end,
        'protocol ' || harness_version
    )
    when 'model' then model_name
    when 'task' then task
    when 'gpu' then gpu_model
    when 'engine' then engine
    when 'batch size' then 'batch ' || batch_size
    when 'prompt set' then prompt_set
end;

-- The family of a model that nobody has put into models.csv: guessed from its name.
create macro family_of(model_id) as case
    when lower(model_id) similar to '.*llama-?_?2.*' then 'Llama 2'
    when lower(model_id) similar to '.*llama-?_?3.*' then 'Llama 3'
    when lower(model_id) similar to '.*llama-?_?4.*' then 'Llama 4'
    when contains(lower(model_id), 'llama') then 'LLaMA'
    when contains(lower(model_id), 'vicuna') then 'LLaMA'
    when contains(lower(model_id), 'smollm') then 'SmolLM'
    when contains(lower(model_id), 'qwen') then 'Qwen'
    when contains(lower(model_id), 'mixtral') or contains(lower(model_id), 'mistral') then 'Mistral'
    when contains(lower(model_id), 'gemma') then 'Gemma'
    when contains(lower(model_id), 'deepseek') then 'DeepSeek'
    when contains(lower(model_id), 'phi-') then 'Phi'
    when contains(lower(model_id), 'pythia') then 'Pythia'
    when contains(lower(model_id), 'gpt-oss') then 'GPT-OSS'
    else 'other'
end;

-- The canonical id of a model: by the id that a source uses, then by its short name, else the id itself.
create macro canonical_model(source_id, short_name) as coalesce(
    (select model_aliases.model_id from model_aliases where model_aliases.alias = lower(source_id)),
    (select model_aliases.model_id from model_aliases where model_aliases.alias = lower(short_name)),
    source_id
);

-- Whether a Selection keeps a row with these labels; an empty list keeps every label.
create macro is_kept(
    model_id, gpu_model, task, engine, source, batch_size, weights, valid,
    some_models, some_gpus, some_tasks, some_engines, some_sources, some_batch_sizes, some_weights, valid_only
) as (len(some_models) = 0 or list_contains(some_models, model_id))
    and (len(some_gpus) = 0 or list_contains(some_gpus, gpu_model))
    and (len(some_tasks) = 0 or list_contains(some_tasks, task))
    and (len(some_engines) = 0 or list_contains(some_engines, engine))
    and (len(some_sources) = 0 or list_contains(some_sources, source))
    and (len(some_batch_sizes) = 0 or list_contains(some_batch_sizes, batch_size))
    and (len(some_weights) = 0 or list_contains(some_weights, weights))
    and (valid or not valid_only);

-- Whether prompt_sums answers a Selection: its other filters are what the groups of runs are made of.
create macro prompt_sums_suffice(some_gpus, some_engines, some_sources, some_batch_sizes) as
    len(some_gpus) = 0 and len(some_engines) = 0 and len(some_sources) = 0 and len(some_batch_sizes) = 0;

-- Rows of `prompts` that a Selection keeps.
create macro selected_prompts(
    some_models, some_gpus, some_tasks, some_engines, some_sources, some_batch_sizes, some_weights, valid_only
) as table
select *
from prompts
where is_kept(
    model_id, gpu_model, task, engine, source, batch_size, weights, valid,
    some_models, some_gpus, some_tasks, some_engines, some_sources, some_batch_sizes, some_weights, valid_only
);

-- One row per run that a Selection keeps.
create macro selected_runs(
    some_models, some_gpus, some_tasks, some_engines, some_sources, some_batch_sizes, some_weights, valid_only
) as table
select *
from labelled_runs
where is_kept(
    model_id, gpu_model, task, engine, source, batch_size, weights, valid,
    some_models, some_gpus, some_tasks, some_engines, some_sources, some_batch_sizes, some_weights, valid_only
);

-- One row per selected run: the series that it belongs to, by name and by number. With a name of a prompt set only the runs of that set, and with a JSON
-- list of series only those.
create macro selected_series(
    grouped_by, set_name, some_series, some_models, some_gpus, some_tasks, some_engines, some_sources, some_batch_sizes, some_weights, valid_only
) as table
select
    run_number,
    own_idle_power_w,
    series_name(grouped_by, model_name, task, gpu_model, engine, batch_size, prompt_set, weights, harness_version) as series,
    dense_rank() over (order by series)::integer as series_number
from selected_runs(
    some_models, some_gpus, some_tasks, some_engines, some_sources, some_batch_sizes, some_weights, valid_only
)
where (set_name = '' or prompt_set = set_name)
    and (some_series = '' or list_contains(from_json(nullif(some_series, ''), '["VARCHAR"]'), series));

-- One row per selected prompt that did not fail: the number of its series and the value of one metric (null: not measured). Numbers, since
-- grouping millions of rows by a name costs more than reading them.
create macro selected_values(
    metric, grouped_by, set_name, some_series, some_models, some_gpus, some_tasks, some_engines, some_sources, some_batch_sizes, some_weights, valid_only
) as table
select
    requests.run_number,
    labels.series_number,
    requests.energy_bucket,
    prompt_value(
        metric,
        energy_j,
        energy_error_j,
        energy_per_token_j,
        output_tokens,
        input_tokens,
        latency_s,
        ttft_s,
        tpot_s,
        throughput_tps,
        energy_per_word_j,
        power_w,
        above_idle(energy_j, latency_s, labels.own_idle_power_w),
        output_words,
        output_chars
    ) as value
from measured_requests as requests
join selected_series(
    grouped_by, set_name, some_series, some_models, some_gpus, some_tasks, some_engines, some_sources, some_batch_sizes, some_weights, valid_only
) as labels on labels.run_number = requests.run_number
where status = 'ok'
    and (valid or not valid_only);

-- One row per model: the quality scores of the original leaderboard (percent). Several sources: the first by name.
create view model_quality as
select
    model_id,
    arg_min(score, place) filter (where benchmark in ('arc', 'arc_challenge') and usual in ('', 'acc_norm')) as arc,
    arg_min(score, place) filter (where benchmark = 'hellaswag' and usual in ('', 'acc_norm')) as hellaswag,
    arg_min(score, place) filter (where benchmark in ('truthfulqa', 'truthfulqa_mc2') and usual in ('', 'acc')) as truthfulqa
from (
    select
        *,
        coalesce(metric, '') as usual,
        concat_ws(':', source, benchmark, fewshot, version, score) as place
    from quality
)
group by model_id;

-- One row per run: averages and percentiles from run_summary, side by side.
create view run_metrics as
select
    run_id,
    max(mean) filter (where metric = 'energy_j') as energy_j,
    max(p50) filter (where metric = 'energy_j') as energy_median_j,
    max(p90) filter (where metric = 'energy_j') as energy_p90_j,
    max(p95) filter (where metric = 'energy_j') as energy_p95_j,
    max(p99) filter (where metric = 'energy_j') as energy_p99_j,
    max(mean) filter (where metric = 'energy_error_j') as energy_error_j,
    max(mean) filter (where metric = 'output_tokens') as output_tokens,
    max(mean) filter (where metric = 'input_tokens') as input_tokens,
    max(mean) filter (where metric = 'latency_s') as latency_s,
    max(mean) filter (where metric = 'ttft_s') as ttft_s,
    max(mean) filter (where metric = 'tpot_s') as tpot_s
from run_summary
group by run_id;

-- One row per published aggregate, in the columns of `results`.
create view published_results as
select
    result_id,
    'published' as origin,
    source,
    generation,
    model_id,
    gpu_model,
    num_gpus::integer as num_gpus,
    task,
    engine,
    dtype,
    'pretrained' as weights,
    batch_size,
    concurrency,
    null::varchar as prompt_set,
    prompts::bigint as prompts,
    energy_j,
    null::double as energy_median_j,
    null::double as energy_p90_j,
    null::double as energy_p95_j,
    null::double as energy_p99_j,
    null::double as energy_error_j,
    estimated_energy_j,
    coalesce(energy_per_token_j, ratio(energy_j, output_tokens)) as energy_per_token_j,
    throughput_tps,
    output_tokens,
    input_tokens,
    latency_s,
    ttft_s,
    tpot_s,
    itl_p50_s,
    itl_p99_s,
    coalesce(power_w, ratio(energy_j, latency_s)) as power_w,
    null::double as idle_power_w,
    null::double as energy_above_idle_j,
    case
        when energy_j is null and estimated_energy_j is not null then 'the source models the energy of a response, it did not measure it'
        when energy_j is null then 'the source gives no energy of a response'
    end as energy_reason,
    true as valid,
    []::varchar[] as reasons,
    null::double as truncated_share,
    null::varchar as edges,
    harness_version,
    licence,
    url,
    null::timestamptz as started_at
from published;

-- One row per run of ours, in the columns of `results`. Ratios are ratios of sums over the run's valid rows.
create view measured_results as
select
    'run:' || runs.run_id as result_id,
    'measured' as origin,
    runs.source,
    case when runs.source = own_source() then 'own' else 'imported' end as generation,
    runs.model_id,
    runs.gpu as gpu_model,
    runs.num_gpus::integer as num_gpus,
    runs.task,
    runs.engine,
    runs.dtype,
    runs.weights,
    runs.batch_size::integer as batch_size,
    runs.concurrency::integer as concurrency,
    runs.prompt_set,
    runs.counted as prompts,
    run_metrics.energy_j,
    run_metrics.energy_median_j,
    run_metrics.energy_p90_j,
    run_metrics.energy_p95_j,
    run_metrics.energy_p99_j,
    run_metrics.energy_error_j,
    null::double as estimated_energy_j,
    ratio(runs.energy_j_total, runs.measured_output_tokens_total) as energy_per_token_j,
    ratio(runs.output_tokens_total, runs.busy_s_total) as throughput_tps,
    run_metrics.output_tokens,
    run_metrics.input_tokens,
    run_metrics.latency_s,
    run_metrics.ttft_s,
    run_metrics.tpot_s,
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
    runs.energy_reason,
    runs.valid,
    runs.reasons,
    ratio(runs.truncated, runs.ok) as truncated_share,
    runs.energy_edges as edges,
    runs.harness_version,
    null::varchar as licence,
    null::varchar as url,
    runs.started_at,
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
    case when figures.weights = 'pretrained' then model_quality.arc end as arc,
    case when figures.weights = 'pretrained' then model_quality.hellaswag end as hellaswag,
    case when figures.weights = 'pretrained' then model_quality.truthfulqa end as truthfulqa,
    case
        when figures.weights = 'pretrained' then (model_quality.arc + model_quality.hellaswag + model_quality.truthfulqa) / 3
    end as quality_mean
from (
    select * from published_results
    union all by name
    select * from measured_results
) as figures
join models on models.model_id = figures.model_id
left join model_quality on model_quality.model_id = figures.model_id;

-- Rows of `results` that a Selection keeps.
create macro selected_results(
    some_models, some_gpus, some_tasks, some_engines, some_sources, some_batch_sizes, some_weights, valid_only
) as table
select *
from results
where is_kept(
    model_id, gpu_model, task, engine, source, batch_size, weights, valid,
    some_models, some_gpus, some_tasks, some_engines, some_sources, some_batch_sizes, some_weights, valid_only
);
