-- One row per row that an ingest refused, by file and row.
from rejects
order by path, "row" nulls first, "column"
