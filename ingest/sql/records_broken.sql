-- One row per incoming row that breaks the contract: the first problem found, as "column: what is wrong".
insert into broken
select
    filename,
    "row",
    problem
from judged($files, $now)
where problem is not null
