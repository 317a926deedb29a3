-- One row per prompt and verdict of the groups that runs join: their sums until now, which are taken out of the table.
create or replace temp table kept_sums as
select *
from prompt_sums
where group_number in (select group_number from prompt_groups where run_id in (select run_id from regrouped));
delete from prompt_sums
where group_number in (select group_number from kept_sums);
