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
group by
    filename,
    run_id
