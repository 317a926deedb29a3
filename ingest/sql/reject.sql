-- One row that was refused.
insert into rejects
values ($file_id, $path, $row, $column, $reason)
