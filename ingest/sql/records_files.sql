-- One row per incoming file: the newest schema version and the bytes of its texts.
select
    filename,
    coalesce(max(schema_version), 0) as schema_version,
    sum(bytes) as bytes
from surveyed
group by filename
