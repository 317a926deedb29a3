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

-- Rows of `setup_sums` that a Selection keeps: one per setup.
create macro selected_setups(selection) as table
select *
from setup_sums
where only_valid = (selection).only_valid
    and is_kept(model_id, gpu_model, task, engine, source, batch_size, weights, true, selection);
