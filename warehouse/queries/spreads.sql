-- One row per run of ours with energy: `spread`, the energy (J) of its prompts at p5, p25, p50, p75, p90, p95 and p99.
select
    'run:' || run_id as result_id,
    [p5, p25, p50, p75, p90, p95, p99] as spread
from run_summary
where metric = 'energy_j'
    and p50 is not null
order by result_id
