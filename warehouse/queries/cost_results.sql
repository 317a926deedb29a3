-- One row per setup of ours whose prompts were alone on the GPU, with the energy of at least eight of them: its newest run, `runs`, how many repeat it, and
-- `prompts` of all these. One prompt at a time comes first, then most prompts.
with alone as (
    select
        results.result_id, results.setup, results.started_at,
        runs.measured
    from selected_results($selection) as results
    join runs on 'run:' || runs.run_id = results.result_id
    where runs.energy_attribution = 'exclusive'
        and runs.measured > 0
),
of_setups as (
    select
        first(result_id order by started_at desc, result_id desc) as result_id,
        count(*) as runs,
        sum(measured) as prompts
    from alone
    group by setup
    having sum(measured) >= 8
)
select
    results.result_id, results.model_id, results.model_name, results.gpu_model,
    results.num_gpus::smallint as num_gpus,
    results.dtype, results.task, results.engine,
    results.batch_size::smallint as batch_size,
    results.source, results.prompt_set, results.weights, results.harness_version,
    of_setups.runs,
    of_setups.prompts
from of_setups
join results using (result_id)
order by results.batch_size is distinct from 1, of_setups.prompts desc, results.result_id
