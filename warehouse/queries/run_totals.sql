-- One row per run of a tool that knows totals but no prompts, e.g. CodeCarbon; the longest first.
select
    source,
    run_id,
    task,
    project,
    ended_at,
    duration_s,
    gpu_energy_j,
    cpu_energy_j,
    dram_energy_j,
    gpu_model,
    num_gpus,
    ratio(gpu_energy_j, duration_s) as power_w,
    harness_version
from run_totals
order by
    duration_s desc,
    source,
    run_id,
    task nulls first
