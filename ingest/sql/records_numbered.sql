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
