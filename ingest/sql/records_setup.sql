-- One row per incoming row whose setup is not that of its run: the setup most rows have, or the one already in the warehouse.
insert into broken
with setups as (
    select
        filename,
        "row",
        run_id,
        setup
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
-- Of several setups as frequent, the one with the least hash: which rows stay must not depend on the order of files.
usual as (
    select
        run_id,
        setup
    from setups
    group by
        run_id,
        setup
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
