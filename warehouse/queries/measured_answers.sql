-- One row per run of ours in which some of the answers that count have no energy: how many have it, and their means.
select
    'run:' || runs.run_id as result_id,
    runs.measured as prompts,
    runs.measured_output_tokens_total / runs.measured as output_tokens,
    case when count(requests.input_tokens) = count(*) then avg(requests.input_tokens) end as input_tokens,
    case when count(requests.latency_s) = count(*) then avg(requests.latency_s) end as latency_s
from runs
join requests on requests.run_number = runs.run_number
where runs.measured > 0
    and runs.measured < runs.counted
    and requests.valid
    and requests.energy_j is not null
group by all
order by result_id
