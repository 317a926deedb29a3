-- What a Selection keeps of runs, prompts and results, and the series that they are drawn as. `selection` is a struct of the fields of `selection.py`; the
-- body of a table macro reaches a field only as (selection).field.

-- Whether a Selection keeps a row with these labels; an empty list keeps every label.
create macro is_kept(
    model_id, gpu_model, task, engine, source, batch_size, weights, valid, selection
) as (len(selection.models) = 0 or list_contains(selection.models, model_id))
    and (len(selection.gpus) = 0 or list_contains(selection.gpus, gpu_model))
    and (len(selection.tasks) = 0 or list_contains(selection.tasks, task))
    and (len(selection.engines) = 0 or list_contains(selection.engines, engine))
    and (len(selection.sources) = 0 or list_contains(selection.sources, source))
    and (len(selection.batch_sizes) = 0 or list_contains(selection.batch_sizes, batch_size))
    and (len(selection.weights) = 0 or list_contains(selection.weights, weights))
    and (valid or not selection.only_valid);

-- Rows of `prompts` that a Selection keeps.
create macro selected_prompts(selection) as table
select *
from prompts
where is_kept(model_id, gpu_model, task, engine, source, batch_size, weights, valid, selection);

-- One row per run that a Selection keeps.
create macro selected_runs(selection) as table
select *
from labelled_runs
where is_kept(model_id, gpu_model, task, engine, source, batch_size, weights, valid, selection);

-- One row per selected run: the series that it belongs to, by name and by number. With a name of a prompt set only the runs of that set, and with a JSON
-- list of series only those.
create macro selected_series(grouped_by, set_name, some_series, selection) as table
select
    run_number, run_id, own_idle_power_w, own_active_idle_power_w,
    series_name(grouped_by, model_name, task, gpu_model, num_gpus, dtype, engine, batch_size, prompt_set, weights, harness_version) as series,
    dense_rank() over (order by series)::integer as series_number
from selected_runs(selection)
where (set_name = '' or prompt_set = set_name)
    and (some_series = '' or list_contains(from_json(nullif(some_series, ''), '["VARCHAR"]'), series));

-- Rows of `prompts` that a Selection keeps, with `value`, that of one metric.
create macro valued_prompts(metric, selection) as table
select
    *,
    prompt_value(
        metric,
        {metric},
        energy_error_j, energy_above_idle_j, energy_above_active_idle_j, output_words, output_chars
    ) as value
from selected_prompts(selection);

-- One row per selected prompt that did not fail: the number of its series, its repetition and the value of one metric (null: not measured). Numbers, since
-- grouping millions of rows by a name costs more than reading them.
create macro selected_values(metric, grouped_by, set_name, some_series, selection) as table
select
    labels.series_number,
    requests.repetition,
    prompt_value(
        metric,
        requests.{metric},
        requests.energy_error_j,
        above_idle(requests.energy_j, requests.latency_s, labels.own_idle_power_w),
        above_idle(requests.energy_j, requests.latency_s, labels.own_active_idle_power_w),
        requests.output_words,
        requests.output_chars
    ) as value
from measured_requests as requests
join selected_series(grouped_by, set_name, some_series, selection) as labels on labels.run_number = requests.run_number
where status = 'ok'
    and (valid or not (selection).only_valid);

-- Rows of `results` that a Selection keeps.
create macro selected_results(selection) as table
select *
from results
where is_kept(model_id, gpu_model, task, engine, source, batch_size, weights, valid, selection);

-- The sides A and B that are compared: those named, or, with `side_a` empty, every task and its concise twin.
create macro sides_of(contrast, side_a, side_b) as table
select verbose_twin as a, task as b
from tasks
where side_a = ''
    and contrast = 'task'
    and verbose_twin is not null
union all
select side_a, side_b
where side_a != '';

-- What a row is on a side, by what differs between the sides.
create macro side_of(contrast, task, model_name, engine, gpu_model) as
    case contrast when 'task' then task when 'model' then model_name when 'engine' then engine when 'gpu' then gpu_model end;

-- One row per selected run of ours on one GPU with a known number format and J/token: its result, its sums, in which every prompt of its setup counts once,
-- the `card` (which GPU it was), `size` (billion parameters, two digits), `protocol` (the number before the dot), and `precision`, the number format where it
-- is not of 16 bits.
create macro software_setups(selection) as table
select
    results.result_id, results.setup, results.gpu_model, results.weights, results.engine, results.batch_size, results.task, results.harness_version,
    results.started_at, results.energy_per_token_j,
    card_of(runs.environment) as card,
    runs.measured,
    coalesce(evened.energy_j, runs.energy_j_total) as energy_j_total,
    coalesce(evened.measured_output_tokens, runs.measured_output_tokens_total) as measured_output_tokens_total,
    case when evened.busy_s is null then runs.output_tokens_total else evened.output_tokens end as output_tokens_total,
    coalesce(evened.busy_s, runs.busy_s_total) as busy_s_total,
    runs.token_units, runs.token_log_error,
    calibration_of(runs.energy_error_calibration, runs.energy_edges) as calibration,
    run_notes.steady_energy_j,
    run_notes.steady_output_tokens,
    round(results.params_total_b, 1 - floor(log10(results.params_total_b))::integer) as size,
    try_cast(split_part(results.harness_version, '.', 1) as integer) as protocol,
    case when results.dtype not in ('float16', 'bfloat16') then results.dtype end as precision
from selected_results(selection) as results
join runs on 'run:' || runs.run_id = results.result_id
left join run_notes on run_notes.run_id = runs.run_id
left join evened on evened.run_id = runs.run_id
where results.source = own_source()
    and results.num_gpus = 1
    and results.dtype is not null
    and results.params_total_b > 0
    and results.energy_per_token_j > 0;
