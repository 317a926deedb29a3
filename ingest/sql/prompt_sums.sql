-- One row per prompt and verdict of the groups of the runs in hand: the sums over their rows, and those that the groups had before.
insert into prompt_sums by name
with chosen as (
    select
        runs.run_number,
        prompt_groups.group_number,
        runs.valid,
        ratio(runs.energy_j_total, runs.measured) as mean_j,
        text_place(runs.run_number, runs.texts, runs.prompts) as text_place
    from runs
    join prompt_groups using (run_id)
    where runs.run_id in (select run_id from regrouped)
),
sums as (
    select
        chosen.group_number,
        requests.prompt_id,
        requests.valid and chosen.valid as valid,
        count(*) as answers,
        count(requests.energy_j) as energies,
        sum(requests.energy_j) as energy_j,
        count(ratio(requests.energy_j, chosen.mean_j)) as means,
        sum(ratio(requests.energy_j, chosen.mean_j)) as times_run_mean,
        count(requests.input_tokens) as inputs,
        sum(requests.input_tokens) as input_tokens,
        count(requests.output_tokens) as outputs,
        sum(requests.output_tokens) as output_tokens,
        max(chosen.text_place) as text_place
    from requests
    join chosen on chosen.run_number = requests.run_number
    where requests.status = 'ok'
    group by all
    union all by name
    select *
    from kept_sums
)
select
    group_number,
    prompt_id,
    valid,
    sum(answers) as answers,
    sum(energies) as energies,
    sum(energy_j) as energy_j,
    sum(means) as means,
    sum(times_run_mean) as times_run_mean,
    sum(inputs) as inputs,
    sum(input_tokens) as input_tokens,
    sum(outputs) as outputs,
    sum(output_tokens) as output_tokens,
    max(text_place) as text_place
from sums
group by
    group_number,
    prompt_id,
    valid
