-- One row per run of a tool that knows totals but no prompts, e.g. CodeCarbon; the longest first.
-- Of a run with tasks CodeCarbon writes the energy of all and the duration of the last one: that duration is none.
with tasks as (
    select
        source,
        run_id,
        sum(duration_s) as duration_s
    from run_totals
    where task is not null
    group by all
),

told as (
    select
        run_totals.* exclude (duration_s),
        case when tasks.run_id is null then run_totals.duration_s end as duration_s
    from run_totals
    left join tasks
        on run_totals.source = tasks.source
            and run_totals.run_id = tasks.run_id
            and run_totals.task is null
            and run_totals.duration_s < tasks.duration_s
)

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
from told
order by
    duration_s desc nulls last,
    source,
    run_id,
    task nulls first
