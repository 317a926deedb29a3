-- One row per answer to the prompt $prompt (its id), least energy first, at most 500, with the texts where they were kept and $texts may be shown.
-- Rows are found by their place in the table, so that texts are read of the answers that are shown and of no others.
with places as (
    select requests.rowid as place
    from requests
    join selected_runs($selection) as runs on runs.run_number = requests.run_number
    where requests.prompt_id = $prompt
        and requests.status = 'ok'
        and (requests.valid or not $selection.only_valid)
    order by requests.energy_j nulls last, runs.run_id, requests.sequence
    limit 500
)
select
    runs.model_name, runs.task, runs.gpu_model, runs.num_gpus, runs.dtype, runs.engine, runs.batch_size,
    runs.weights, runs.harness_version, runs.prompt_set, requests.prompt_id, requests.repetition,
    requests.energy_j, requests.energy_error_j, requests.input_tokens, requests.output_tokens,
    requests.output_words, requests.output_chars,
    above_idle(requests.energy_j, requests.latency_s, runs.own_idle_power_w) as energy_above_idle_j,
    above_idle(requests.energy_j, requests.latency_s, runs.own_active_idle_power_w) as energy_above_active_idle_j,
    ratio(requests.energy_j, requests.output_tokens) as energy_per_token_j,
    ratio(requests.energy_j, requests.latency_s) as power_w,
    requests.latency_s,
    requests.finish_reason = 'length' as cut,
    requests.reasons,
    requests.energy_reason,
    case when $texts then requests.prompt_text end as prompt_text,
    case when $texts then requests.output_text end as output_text,
    runs.source,
    runs.run_id,
    requests.sequence
from requests
join labelled_runs as runs on runs.run_number = requests.run_number
where requests.rowid in (select place from places)
order by requests.energy_j nulls last, runs.run_id, requests.sequence
