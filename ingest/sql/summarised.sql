-- One row per touched run of a range: the distribution of one per-prompt metric over valid rows that have it.
-- Idle power comes out of a list by the number of the run and not by a join, which may change the order of the rows and with it the last digit of a mean.
create or replace temp macro summarised(metric_name, first_run, last_run) as table
with idle as (
    select list(own_idle_power(runs.idle_power_w, runs.energy_attribution) order by numbers.run_number) as powers_w
    from range(1, (select max(run_number) + 1 from runs)) as numbers (run_number)
    left join runs on runs.run_number = numbers.run_number
)
select
    run_id,
    metric_name as metric,
    count(*) as prompts,
    avg(value) as mean,
    stddev_samp(value) as stddev,
    min(value) as minimum,
    quantile_cont(value, [0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99]) as levels,
    levels[1] as p5,
    levels[2] as p25,
    levels[3] as p50,
    levels[4] as p75,
    levels[5] as p90,
    levels[6] as p95,
    levels[7] as p99,
    max(value) as maximum
from (
    select
        requests.run_id,
        prompt_value(
            metric_name,
            requests.energy_j,
            requests.energy_error_j,
            requests.energy_per_token_j,
            requests.output_tokens,
            requests.input_tokens,
            requests.latency_s,
            requests.ttft_s,
            requests.tpot_s,
            requests.throughput_tps,
            requests.energy_per_word_j,
            requests.power_w,
            above_idle(requests.energy_j, requests.latency_s, idle.powers_w[requests.run_number]),
            requests.output_words,
            requests.output_chars
        ) as value
    from measured_requests as requests
    cross join idle
    where requests.valid
        and requests.run_id between first_run and last_run
        and requests.run_id in (select run_id from touched)
)
where value is not null
group by run_id
