-- One row per run of ours whose setup asked its prompts unequally often: `evened`, the sums of the run in which every prompt of the setup counts alike.
select
    'run:' || run_id as result_id,
    struct_pack(
        answers, output_tokens, input_tokens, latency_s, busy_s, ttfts, ttft_s, tpots, tpot_s, measured,
        energy_j, energy_above_idle_j, energy_above_active_idle_j, measured_output_tokens,
        measured_total_tokens, measured_words, measured_chars, measured_latency_s
    ) as evened
from evened
order by result_id
