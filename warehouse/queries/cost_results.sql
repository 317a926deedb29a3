-- One row per setup of ours whose prompts were alone on the GPU, with the energy of at least eight of them: its newest run, `runs`, how many repeat it, and
-- `prompts` of all these. One prompt at a time comes first, then most prompts.
with alone as (
    select
        chosen.*,
        repetitions.setup, runs.dtype, runs.num_gpus, runs.measured, runs.started_at
    from selected_runs($selection) as chosen
    join repetitions on repetitions.run_number = chosen.run_number
    join runs on runs.run_number = chosen.run_number
    where runs.energy_attribution = 'exclusive'
        and runs.measured > 0
)
select
    'run:' || run_id as result_id,
    model_id, model_name, gpu_model, num_gpus, dtype, task, engine, batch_size, source, prompt_set, weights,
    harness_version,
    count(*) over same_setup as runs,
    sum(measured) over same_setup as prompts
from alone
window same_setup as (partition by setup)
qualify row_number() over (partition by setup order by started_at desc, run_id desc) = 1
    and sum(measured) over same_setup >= 8
order by batch_size is distinct from 1, prompts desc, result_id
