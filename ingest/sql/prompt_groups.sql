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
