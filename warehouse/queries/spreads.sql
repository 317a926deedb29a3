-- One row per run of ours with energy per $per, `gross`, `above idle` or `above active idle` as $idle says: over its valid prompts `answers`, `mean` and
-- `stddev` of the single energies (J), and `spread`, their p5, p25, p50, p75, p90, p95 and p99. `divided`: a rule divided them among answers given
-- together; `answers_per_prompt`: how often each prompt was answered.
select
    results.result_id,
    results.setup,
    runs.energy_attribution is not distinct from 'shared' as divided,
    run_summary.prompts as answers,
    runs.answers_per_prompt,
    run_summary.mean,
    run_summary.stddev,
    [p5, p25, p50, p75, p90, p95, p99] as spread
from run_summary
join runs on runs.run_id = run_summary.run_id
join results on results.result_id = 'run:' || run_summary.run_id
where run_summary.metric = metric_per($per, $idle)
    and run_summary.p50 is not null
order by results.result_id
