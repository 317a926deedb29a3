-- One row per touched run of a range: the distribution of one per-prompt metric over valid rows that have it.
create or replace temp macro summarised(metric_name, first_run, last_run) as table
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
        run_id,
        metric_value(
            metric_name,
            energy_j,
            energy_error_j,
            energy_per_token_j,
            output_tokens,
            input_tokens,
            latency_s,
            ttft_s,
            tpot_s,
            throughput_tps,
            energy_per_word_j,
            power_w
        ) as value
    from measured_requests
    where valid
        and run_id between first_run and last_run
        and run_id in (select run_id from touched)
)
where value is not null
group by run_id
