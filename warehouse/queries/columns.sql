-- One row per column of the warehouse that can be asked for: its table or view, type and meaning.
select
    table_name as "table",
    column_name as "column",
    lower(data_type) as type,
    coalesce(comment, '') as meaning
from duckdb_columns()
where database_name = current_database()
    and not internal
order by table_name, column_index
