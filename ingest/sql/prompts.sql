-- Sums over the same prompt in runs that are alike.

-- name: prompts_regrouped
-- One row per run whose prompts must be summed again: the touched runs, and those that shared a group with one of them, since no sum can be taken off another
-- without losing digits. A run that joins a group is not among them: its sums are added.
create or replace temp table regrouped as
select run_id
from prompt_groups
where group_number in (select group_number from prompt_groups where run_id in (select run_id from touched))
union
select run_id
from touched;
delete from prompt_sums
where group_number in (select group_number from prompt_groups where run_id in (select run_id from regrouped));
delete from prompt_groups
where run_id in (select run_id from regrouped);

-- name: prompt_groups
-- One row per run whose prompts must be summed again: its group. Texts of a prompt set without a hash are its run's own.
insert into prompt_groups by name
with likened as (
    select
        run_id,
        run_number,
        dense_rank() over (
            order by
                prompt_set,
                prompt_set_sha256,
                case when prompt_set_sha256 is null then run_number end,
                model_id,
                task,
                weights
        ) as likeness
    from runs
),
known as (
    select distinct
        likened.likeness,
        prompt_groups.group_number
    from likened
    join prompt_groups using (run_id)
)
select
    likened.run_id,
    coalesce(known.group_number, min(likened.run_number) over (partition by likened.likeness)) as group_number
from likened
left join known using (likeness)
where likened.run_id in (select run_id from regrouped)

-- name: prompts_joined
-- One row per prompt and verdict of the groups that runs join: their sums until now, which are taken out of the table.
create or replace temp table kept_sums as
select *
from prompt_sums
where group_number in (select group_number from prompt_groups where run_id in (select run_id from regrouped));
delete from prompt_sums
where group_number in (select group_number from kept_sums);

-- name: prompt_sums
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
