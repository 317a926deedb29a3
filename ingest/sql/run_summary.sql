-- One row per touched run from $first to $last and per-prompt metric: its distribution over valid rows that have it.
insert into run_summary by name
select * exclude (levels) from summarised('energy_error_j', $first, $last)
union all
select * exclude (levels) from summarised('energy_j', $first, $last)
union all
select * exclude (levels) from summarised('energy_per_token_j', $first, $last)
union all
select * exclude (levels) from summarised('output_tokens', $first, $last)
union all
select * exclude (levels) from summarised('input_tokens', $first, $last)
union all
select * exclude (levels) from summarised('latency_s', $first, $last)
union all
select * exclude (levels) from summarised('ttft_s', $first, $last)
union all
select * exclude (levels) from summarised('tpot_s', $first, $last)
union all
select * exclude (levels) from summarised('throughput_tps', $first, $last)
union all
select * exclude (levels) from summarised('energy_per_word_j', $first, $last)
union all
select * exclude (levels) from summarised('power_w', $first, $last)
union all
select * exclude (levels) from summarised('energy_mean_per_total_token_j', $first, $last)
union all
select * exclude (levels) from summarised('energy_mean_per_character_j', $first, $last)
union all
select * exclude (levels) from summarised('energy_above_idle_j', $first, $last)
union all
select * exclude (levels) from summarised('energy_above_idle_mean_per_output_token_j', $first, $last)
union all
select * exclude (levels) from summarised('energy_above_idle_mean_per_total_token_j', $first, $last)
union all
select * exclude (levels) from summarised('energy_above_idle_mean_per_word_j', $first, $last)
union all
select * exclude (levels) from summarised('energy_above_idle_mean_per_character_j', $first, $last)
