-- One row per file that could not be read: its name, and why.
select
    path,
    reason
from rejects
where file_id is null
