-- One row per name of these files under which another content was loaded before.
select path
from ingested_files
where list_contains($paths, path)
