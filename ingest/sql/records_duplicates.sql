-- One row per incoming row whose run, task, prompt and repetition are in an earlier row of these files, or in the warehouse already.
insert into broken
with arrived as (
    select
        filename,
        "row",
        run_id,
        task,
        prompt_id,
        repetition
    from incoming($files)
    anti join broken using (filename, "row")
),
numbered as (
    select
        *,
        row_number() over (partition by run_id, task, prompt_id, repetition order by filename, "row") as nth
    from arrived
),
known as (
    select distinct
        run_id,
        task,
        prompt_id,
        repetition,
        true as is_known
    from requests
    where run_id in (select run_id from arrived)
)
select
    filename,
    "row",
    'prompt_id: this run, task, prompt and repetition were loaded already' as problem
from numbered
left join known using (run_id, task, prompt_id, repetition)
where nth > 1
    or is_known
