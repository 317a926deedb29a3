-- One row per row of the given Parquet files, in the contract's columns (an absent one is null; in the order of `requests`), with its file and its number
-- from 1.
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
    from requests
    where false
    union all by name
    select *
    from read_parquet(files, union_by_name = true, filename = true, file_row_number = true)
)
