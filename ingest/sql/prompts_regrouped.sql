-- One row per run whose prompts must be summed again: the touched runs, and those that shared a group with one of them, since no sum can be taken off another
-- without losing digits. A run that joins a group is not among them: its sums are added.
create or replace temp table regrouped as
select run_id
from prompt_groups
where group_number in (select group_number from prompt_groups where run_id in (select run_id from touched))
union
select run_id
from touched;
delete from prompt_sums
where group_number in (select group_number from prompt_groups where run_id in (select run_id from regrouped));
delete from prompt_groups
where run_id in (select run_id from regrouped);
