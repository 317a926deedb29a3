-- One row: the newest schema version that a file of records names.
select max(schema_version)
from read_parquet([$file])
