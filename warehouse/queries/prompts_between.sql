-- One row per prompt whose value of the per-prompt metric $metric is from $low to $high in the series $series, largest first, at most 500.
-- With $prompt_set only the prompts of that set.
select
    prompts.* exclude (run_number, value),
    labels.series,
    prompts.value
from valued_prompts($metric, $selection) as prompts
join selected_series($by, $prompt_set, '', $selection) as labels on labels.run_number = prompts.run_number
where prompts.status = 'ok'
    and prompts.value between $low and $high
    and labels.series = $series
order by prompts.value desc, prompts.run_id, prompts.sequence
limit 500
