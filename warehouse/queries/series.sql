-- One row per series of the selected runs: how many of their valid prompts have the per-prompt metric $metric; most prompts first. Of a metric that is
-- energy divided by something, how many have energy. With $prompt_set only the runs of that set.
select
    labels.series,
    coalesce(sum(run_summary.prompts), 0)::bigint as prompts
from selected_series($by, $prompt_set, '', $selection) as labels
join runs on runs.run_number = labels.run_number
left join run_summary
    on run_summary.run_id = runs.run_id
    and run_summary.metric = coalesce((select any_value(metric) from run_summary where metric = $metric), 'energy_j')
group by labels.series
order by prompts desc, labels.series
