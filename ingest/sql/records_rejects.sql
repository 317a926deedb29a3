-- One row per broken row, in the warehouse's own table.
insert into rejects
select
    batch.file_id,
    batch.path,
    broken."row",
    split_part(broken.problem, ': ', 1) as "column",
    split_part(broken.problem, ': ', 2) as reason
from broken
join batch using (filename)
