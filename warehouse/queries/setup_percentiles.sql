-- One row per setup of several runs of ours, or whose prompts were not all asked equally often: `p50`, `p90`, `p95` and `p99` of the energy (J) of an
-- answer per $per, `gross`, `above idle` or `above active idle` as $idle says. Every prompt counts once, however often the runs asked it. They are over
-- the valid answers of the runs that count; of all runs where those that do not are shown.
select
    setup,
    p50,
    p90,
    p95,
    p99
from setup_summary
where metric = metric_per($per, $idle)
    and (only_valid or not $selection.only_valid)
qualify row_number() over (partition by setup order by only_valid) = 1
order by setup
