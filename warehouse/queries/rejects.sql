-- One row per row that an ingest refused, by file and row.
select
    file_id,
    path,
    "row",
    "column",
    reason
from rejects
order by
    path,
    "row" nulls first,
    "column"
