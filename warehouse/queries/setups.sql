-- One row per selected configuration: the keys on which two must agree to be comparable, as text; empty where the source does not say.
select
    results.result_id, results.source, results.task, results.gpu_model,
    coalesce(results.num_gpus::varchar, '') as num_gpus,
    results.engine,
    coalesce(runs.engine_version, '') as engine_version,
    coalesce(results.dtype, '') as dtype,
    results.weights,
    coalesce(results.batch_size::varchar, '') as batch_size,
    coalesce(results.concurrency::varchar, '') as concurrency,
    coalesce(results.harness_version, '') as harness_version,
    coalesce(runs.prompt_set, results.source) as prompt_set,
    coalesce(runs.max_new_tokens::varchar, '') as max_new_tokens,
    case
        when runs.run_id is null then ''
        else concat(
            'temperature ', runs.temperature, ', top-p ', runs.top_p, ', repetition penalty ', runs.repetition_penalty, ', top-k ' || nullif(runs.top_k, 0)
        )
    end as sampling,
    coalesce(runs.prompt_template, '') as prompt_template,
    coalesce(runs.power_limit_w, '') as power_limit_w,
    coalesce(runs.card, '') as card,
    coalesce(runs.kernels, '') as kernels,
    coalesce(runs.energy_attribution, '') as energy_attribution,
    coalesce(runs.request_seed, '') as request_seed,
    coalesce(runs.request_rate, '') as request_rate,
    coalesce(runs.attention_backend, '') as attention_backend,
    coalesce(runs.server_options, '') as server_options,
    coalesce(results.weights_format, '') as weights_format,
    case when results.power_capped_share > run_share() then 'yes' when results.power_capped_share is not null then 'no' else '' end as power_capped,
    coalesce(results.edges, '') as edges
from selected_results($selection) as results
left join runs on 'run:' || runs.run_id = results.result_id
