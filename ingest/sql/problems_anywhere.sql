-- One row per thing that is wrong with what is about to become a warehouse, a file or a lake.
select 'runs without a model: ' || count(*) as problem
from runs
anti join models using (model_id)
having count(*) > 0
union all
select 'runs whose prompts are in no group: ' || count(*)
from runs
anti join prompt_groups using (run_id)
having count(*) > 0
union all
select 'answers in the sums of prompts differ from those of the runs: ' || (select coalesce(sum(answers), 0) from prompt_sums)
where (select coalesce(sum(answers), 0) from prompt_sums) <> (select coalesce(sum(ok), 0) from runs)
union all
select 'prompts in the buckets of energies differ from those of the runs: ' || (select coalesce(sum(prompts), 0) from energy_buckets)
where (select coalesce(sum(prompts), 0) from energy_buckets) <> (select coalesce(sum(ok), 0) from runs)
