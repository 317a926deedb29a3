-- One row per prompt that was answered: its id, in the order in which `prompt_list` has them without a search; at most 200. It reads the energies of all
-- prompts and nothing else of them: this is what a page needs before anybody opens the list.
with chosen as (
    select
        runs.run_number,
        dense_rank() over (order by runs.prompt_set)::integer as set_number,
        case
            when runs.energy_attribution is distinct from 'shared' and runs.energy_j_total > 0 then ratio(runs.energy_j_total, runs.measured)
        end as mean_j,
        (runs.texts > 0 and $texts)::integer as has_texts
    from runs
    join selected_runs($selection) as selected on selected.run_number = runs.run_number
)
select requests.prompt_id
from requests
join chosen on chosen.run_number = requests.run_number
where requests.status = 'ok'
    and (requests.valid or not $selection.only_valid)
group by requests.prompt_id, chosen.set_number
order by
    max(chosen.has_texts) desc,
    avg(requests.energy_j / chosen.mean_j) desc nulls last,
    requests.prompt_id,
    chosen.set_number
limit 200
