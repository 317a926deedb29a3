-- One row per run of a tool that knows totals but no prompts, e.g. CodeCarbon; the longest first.
-- Of a run with tasks CodeCarbon writes the energy of all and the duration of the last one: that duration is none.
with told as (
    select * exclude (file_id) replace (
        case
            when task is null and duration_s < sum(duration_s) filter (where task is not null) over (partition by source, run_id) then null
            else duration_s
        end as duration_s
    )
    from run_totals
)
select
    *,
    ratio(gpu_energy_j, duration_s) as power_w
from told
order by duration_s desc nulls last, source, run_id, task nulls first
