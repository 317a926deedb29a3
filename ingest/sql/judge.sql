-- Our own rows on their way in: which of them break the contract.

-- name: records_incoming
-- One row per row of the given Parquet files, in the columns of `contract` (an absent one is null), with its file and its number from 1.
create or replace temp macro incoming(files) as table
select
    filename,
    file_row_number + 1 as "row",
    columns(getvariable('contract'))
from (
    select
        *,
        null::varchar as filename,
        null::bigint as file_row_number
    from contract
    union all by name
    select *
    from read_parquet(files, union_by_name = true, filename = true, file_row_number = true)
)

-- name: records_judged
-- One row per incoming row: whose it is, a hash of its setup, the bytes of its texts, and the first thing that is wrong with it, as "column: what".
-- What single columns must be stands in bench/record.py; `formats/records.py` makes `text_bytes` and `problem` of it. Here stands what depends on several
-- columns, or on the day. The setup is what a run's rows must have in common: `records.COMMON`, in the order of the table `requests`.
create or replace temp macro judged(files, now_at) as table
select
    filename, "row", schema_version, run_id,
    hash(*columns(getvariable('common'))) as setup,
    {text_bytes} as bytes,
    case
        {problem}
        -- A time without a zone may be the local one of a place up to 14 hours ahead of UTC.
        when started_at > now_at + interval 1 hour
            and (
                started_at > now_at + interval 15 hour
                or (try_cast(environment as json) ->> '$.clock') is distinct from 'local'
            )
            then 'started_at: lies in the future'
        when started_at < timestamptz '1970-01-01 00:00:00+00' then 'started_at: lies before 1970'
        when status = 'ok' and output_tokens is null then 'output_tokens: is missing in a row that did not fail'
        when status = 'ok' and latency_s is null then 'latency_s: is missing in a row that did not fail'
        when output_tokens > max_new_tokens and reason is null then 'output_tokens: is above max_new_tokens'
        when status = 'ok' and finish_reason = 'error' then 'finish_reason: is error in a row that did not fail'
        when status = 'failed' and finish_reason = 'stop' then 'finish_reason: is stop in a row that failed'
        when energy_j is not null and energy_source = 'none' then 'energy_source: is none although energy_j has a value'
    end as problem
from incoming(files)

-- name: records_surveyed
-- One row per incoming file and run: the newest schema version, the bytes of all texts when none is shared between rows (a small file can point to one
-- large text often), the rows that break the contract, and the bounds of the others' setups.
insert into surveyed
select
    filename,
    run_id,
    max(schema_version) as schema_version,
    sum(bytes) as bytes,
    count(problem) as problems,
    min(setup) filter (where problem is null) as least_setup,
    max(setup) filter (where problem is null) as largest_setup
from judged($files, $now)
group by filename, run_id

-- name: records_files
-- One row per incoming file: the newest schema version and the bytes of its texts.
select
    filename,
    coalesce(max(schema_version), 0) as schema_version,
    sum(bytes) as bytes
from surveyed
group by filename

-- name: records_doubts
-- One row: which checks of single rows are needed. A run is known when the warehouse or an earlier file of this ingest has it.
with known as (
    select run_id
    from runs
    union
    select run_id
    from touched
),
per_run as (
    select
        run_id,
        sum(problems) as problems,
        min(least_setup) <> max(largest_setup) as mixed,
        run_id in (select run_id from known) as is_known
    from surveyed
    group by run_id
)
select
    coalesce(sum(problems) > 0, false) as broken,
    coalesce(bool_or(mixed or is_known), false) as setups,
    coalesce(bool_or(is_known), false) as keys
from per_run

-- name: records_broken
-- One row per incoming row that breaks the contract: the first problem found, as "column: what is wrong".
insert into broken
select filename, "row", problem
from judged($files, $now)
where problem is not null

-- name: records_setup
-- One row per incoming row whose setup is not that of its run: the setup most rows have, or the one already in the warehouse.
insert into broken
with setups as (
    select filename, "row", run_id, setup
    from judged($files, $now)
    anti join broken using (filename, "row")
),
known as (
    select
        run_id,
        any_value(
            hash(*columns(getvariable('common')))
        ) as setup
    from requests
    where run_id in (select run_id from setups)
    group by run_id
),
-- Of several equally frequent setups the one with the least hash counts: which rows stay must not depend on the order of files.
usual as (
    select run_id, setup
    from setups
    group by run_id, setup
    qualify row_number() over (partition by run_id order by count(*) desc, setup) = 1
)
select
    setups.filename,
    setups."row",
    'run_id: the setup differs from the other rows of this run' as problem
from setups
join usual using (run_id)
left join known using (run_id)
where setups.setup <> coalesce(known.setup, usual.setup)

-- name: records_duplicated_keys
-- One row at most: there may be a duplicate among the incoming rows (two keys hash alike).
select 1
from incoming($files)
group by hash(run_id, task, prompt_id, repetition)
having count(*) > 1
limit 1

-- name: records_duplicates
-- One row per incoming row whose run, task, prompt and repetition are in an earlier row of these files, or in the warehouse already.
insert into broken
with arrived as (
    select filename, "row", run_id, task, prompt_id, repetition
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
    select distinct run_id, task, prompt_id, repetition, true as is_known
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
