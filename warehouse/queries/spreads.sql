-- One row per run of ours with energy per $per, `gross`, `above idle` or `above active idle` as $idle says: over its valid prompts `answers`, `mean` and
-- `stddev` of the single energies (J), and `spread`, the p5, p25, p50, p75, p90, p95 and p99 of its setup, in which every prompt counts once. `divided`:
-- a rule divided them among answers given together; `answers_per_prompt`: how often each prompt was answered. Where that is not
-- alike, `asked_prompts` is how many there are and `prompt_stddev` that of their means. Runs that do not count are left out, but where a setup has no
-- others.
select
    results.result_id,
    results.setup,
    runs.energy_attribution is not distinct from 'shared' as divided,
    run_summary.prompts as answers,
    runs.answers_per_prompt,
    run_summary.mean,
    run_summary.stddev,
    setup_summary.asked_prompts,
    setup_summary.prompt_stddev,
    case
        when setup_summary.setup is not null
            then [setup_summary.p5, setup_summary.p25, setup_summary.p50, setup_summary.p75, setup_summary.p90, setup_summary.p95, setup_summary.p99]
        else [run_summary.p5, run_summary.p25, run_summary.p50, run_summary.p75, run_summary.p90, run_summary.p95, run_summary.p99]
    end as spread
from run_summary
join runs on runs.run_id = run_summary.run_id
join results on results.result_id = 'run:' || run_summary.run_id
left join setup_summary
    on setup_summary.setup = results.setup
    and setup_summary.metric = run_summary.metric
    and setup_summary.only_valid = results.valid
where run_summary.metric = metric_per($per, $idle)
    and run_summary.p50 is not null
    and (results.valid or results.setup not in (select setup from results where valid and setup is not null))
order by results.result_id
