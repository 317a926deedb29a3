-- One row per touched run and per-prompt metric: its distribution over valid rows that have it.
insert into run_summary by name
select * exclude (levels) from summarised('energy_error_j')
union all
select * exclude (levels) from summarised('energy_j')
union all
select * exclude (levels) from summarised('energy_per_token_j')
union all
select * exclude (levels) from summarised('output_tokens')
union all
select * exclude (levels) from summarised('input_tokens')
union all
select * exclude (levels) from summarised('latency_s')
union all
select * exclude (levels) from summarised('ttft_s')
union all
select * exclude (levels) from summarised('tpot_s')
union all
select * exclude (levels) from summarised('throughput_tps')
union all
select * exclude (levels) from summarised('energy_per_word_j')
union all
select * exclude (levels) from summarised('power_w')
