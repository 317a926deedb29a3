-- Our own rows on their way in: work tables, batches of files, numbers of runs, and the rows that passed.

-- name: work_tables
-- Tables that live only during one ingest.
-- One row per run whose totals must be computed again.
create temp table touched (run_id varchar primary key);
-- One row per run that this ingest loads rows of: its number in the warehouse.
create temp table numbered (run_id varchar primary key, run_number integer not null);
-- No row: the columns of the contract with their types.
create temp table contract as
from requests
where false;
-- One row per incoming file of the batch in hand.
create temp table batch (file_id integer, filename varchar, path varchar);
-- One row per incoming file and run of the batch in hand: see records_surveyed.
create temp table surveyed (
    filename varchar, run_id varchar, schema_version smallint, bytes bigint, problems bigint, least_setup ubigint, largest_setup ubigint
);
-- One row per incoming row that breaks the contract.
create temp table broken (filename varchar, "row" bigint, problem varchar);
-- One row per model that a source names.
create temp table named (
    source_id varchar, model_name varchar, url varchar, params_total_b double, params_active_b double
);

-- name: records_batch
-- One row per incoming file of the batch in hand.
insert into batch
select
    unnest($file_ids::integer[]) as file_id,
    unnest($filenames::varchar[]) as filename,
    unnest($paths::varchar[]) as path

-- name: records_clear
-- What was found in the batch before is forgotten.
delete from batch;
delete from surveyed;
delete from broken;

-- name: records_touched
-- One row per run that the incoming rows belong to.
insert or ignore into touched
select distinct run_id
from surveyed
where run_id is not null

-- name: records_numbered
-- One row per run that this ingest has not numbered yet: the number that the warehouse knows it by, or the next one, in the order of its first file.
insert into numbered
with news as (
    select
        run_id,
        min(batch.file_id) as first_file
    from surveyed
    join batch using (filename)
    where run_id is not null
        and run_id not in (select run_id from numbered)
    group by run_id
),
last as (
    select greatest(
        (select coalesce(max(run_number), 0) from runs),
        (select coalesce(max(run_number), 0) from numbered)
    ) as run_number
)
select
    news.run_id,
    coalesce(
        runs.run_number,
        last.run_number + row_number() over (partition by runs.run_number is null order by news.first_file, news.run_id)
    ) as run_number
from news
cross join last
left join runs using (run_id)

-- name: records_insert
-- One row per incoming row that is not broken, with its file and its verdict.
insert into requests by name
select
    incoming.* exclude (filename, "row"),
    batch.file_id,
    numbered.run_number,
    request_is_valid(incoming.status, incoming.throttled) as valid,
    request_reasons(
        status, finish_reason, throttled, power_capped, warm, energy_j, energy_error_j, energy_reason, energy_attribution, input_tokens, output_tokens,
        cached_tokens, loop_share, idle_power_w, neighbour_power_w, host_load, other_processes, device
    ) as reasons
from incoming($files) as incoming
join batch using (filename)
join numbered using (run_id)
anti join broken using (filename, "row")

-- name: records_rejects
-- One row per broken row, in the warehouse's own table. `formats/records.py` makes `cell`, of the columns that are wrong in some row.
insert into rejects by name
select
    batch.file_id,
    batch.path,
    broken."row",
    split_part(broken.problem, ': ', 1) as "column",
    {cell} as cell,
    split_part(broken.problem, ': ', 2) as reason
from broken
join batch using (filename)
left join incoming($files) as incoming using (filename, "row")

-- name: records_counts
-- One row per file of the batch: rows loaded and rows refused.
select
    file_id,
    coalesce(any_value(accepted), 0) as accepted,
    count(broken."row") as rejected
from batch
left join (
    select
        file_id,
        count(*) as accepted
    from requests
    where file_id in (select file_id from batch)
    group by file_id
) as loaded using (file_id)
left join broken using (filename)
group by file_id
order by file_id
