-- The numbers of one answer: ratios, energy above idle and above active idle, and any metric by its name.

-- Ratios. Null when the divisor is null or not positive, never infinite.
create macro ratio(upper, lower) as case when lower > 0 then upper / lower end;
create macro time_per_output_token(latency_s, ttft_s, output_tokens) as
    case when output_tokens >= 2 then (latency_s - ttft_s) / (output_tokens - 1) end;

-- The power (W) that is taken off the energy of a run's responses, of the idle GPU or of the loaded one that waits; null where requests shared the GPU: it
-- belongs to all of them.
create macro own_idle_power(idle_power_w, energy_attribution) as case when energy_attribution is distinct from 'shared' then idle_power_w end;

-- The idle power that a page takes off, by the name of its switch: `above idle`, before the model was loaded, or `above active idle`, loaded and waiting.
create macro idle_power_of(idle, idle_power_w, active_idle_power_w) as case when idle = 'above active idle' then active_idle_power_w else idle_power_w end;

-- Energy above the power of the idle GPU; null where that is not known.
create macro above_idle(energy_j, latency_s, own_idle_power_w) as energy_j - own_idle_power_w * latency_s;

-- The energy of one answer as a page shows it: all of it (`gross`), or what is above the idle power.
create macro shown_energy(idle, energy_j, latency_s, own_idle_power_w) as case
    when idle = 'gross' then energy_j
    else above_idle(energy_j, latency_s, own_idle_power_w)
end;

-- The metric in `run_summary` that is the energy of one answer, divided as a page shows it.
create macro metric_per(per, idle) as case
    when per = 'response' then case when idle = 'gross' then 'energy_j' else 'energy_' || replace(idle, ' ', '_') || '_j' end
    when idle != 'gross' then 'energy_' || replace(idle, ' ', '_') || '_mean_per_' || replace(per, ' ', '_') || '_j'
    when per = 'output token' then 'energy_per_token_j'
    when per = 'word' then 'energy_per_word_j'
    else 'energy_mean_per_' || replace(per, ' ', '_') || '_j'
end;

-- How far all answers of a run are off together because of the meter, relative, half-width. Rows of protocol 1.x did not record it: their aligned windows are
-- those whose bias the truth test found (docs/measurement.md). 0 where nothing is known of it.
create macro aligned_bias() as 0.003;
create macro calibration_of(energy_error_calibration, energy_edges) as
    coalesce(energy_error_calibration, case when energy_edges = 'aligned' then aligned_bias() end, 0);

-- How far the mean energy of the answers of a run can be off because of the meter (J, half-width): the part that all answers have in common stays as it is, the
-- parts of single windows partly cancel out (docs/measurement.md). `energy_squares` and `error_squares` are sums of squares over the answers; answers that
-- share a window share its error.
create macro error_of_mean(answers, mean_j, energy_squares, error_squares, calibration, answers_of_a_window) as sqrt(
    power(coalesce(calibration, 0) * mean_j, 2)
    + answers_of_a_window * greatest(error_squares - power(coalesce(calibration, 0), 2) * energy_squares, 0) / power(answers, 2)
);

-- The sum of squares of so many numbers, from their mean and standard deviation.
create macro squares(count, mean, stddev) as count * mean * mean + (count - 1) * power(coalesce(stddev, 0), 2);

-- Whether so many prompts are enough for an interval, from the standard deviation of the logarithm of their energies and how many of one energy would lean
-- on one answer as little: warehouse/statistics/intervals.py, which has the same limits, says why.
create macro enough_units(units, log_spread, alike) as
    units >= case when log_spread > 1.25 then 50 when log_spread > 0.3 then 20 else 5 end
    and (coalesce(log_spread, 0) <= 1.75 or alike >= 100);

-- The standard error of the logarithm of a ratio of two sums over units, from the sums and those of their squares and products; null for fewer than two units.
-- That of a jackknife, to the third power of the shares of a unit: a unit that is a large part of both sums counts for more than its residual shows, as the
-- ratio leans on it. `sums` has squares, products and third powers of the units; `alike`
-- of them, answers to one prompt, count as one.
create macro log_error_of_ratio(units, alike, upper, lower, sums) as case
    when units > 1 and upper > 0 and lower > 0
        then sqrt(
            alike * units / (units - 1)
            * greatest(
                sums.uu / (upper * upper) - 2 * sums.ul / (upper * lower) + sums.ll / (lower * lower)
                + alike * (
                    sums.uuu / power(upper, 3) - sums.uul / (power(upper, 2) * lower) - sums.ull / (upper * power(lower, 2)) + sums.lll / power(lower, 3)
                ),
                0
            )
        )
end;

-- Sums of squares, products and third powers of two numbers over units, as `log_error_of_ratio` takes them.
create macro power_sums(u, l) as {
    uu: sum(u * u), ul: sum(u * l), ll: sum(l * l), uuu: sum(u * u * u), uul: sum(u * u * l), ull: sum(u * l * l), lll: sum(l * l * l)
};

-- One row per prompt answered, with every metric of one prompt. A metric that is no column of `requests` is defined here and in no other place.
create view measured_requests as
select
    *,
    ratio(energy_j, output_tokens) as energy_per_token_j,
    ratio(energy_j, output_words) as energy_per_word_j,
    time_per_output_token(latency_s, ttft_s, output_tokens) as tpot_s,
    ratio(output_tokens, latency_s) as throughput_tps,
    ratio(energy_j, latency_s) as power_w
from requests;

-- The energy of one prompt divided as a name says ("energy_mean_per_word_j", "energy_above_idle_mean_per_word_j", ...); null for other names. `parts` is a
-- struct of its energies and of what they are divided by. The ingest has all of them as columns (`ingest/sql/runs.sql`), without names to be compared.
create macro divided_energy(metric, parts) as ratio(
    case
        when starts_with(metric, 'energy_above_idle') then parts.energy_above_idle_j
        when starts_with(metric, 'energy_above_active_idle') then parts.energy_above_active_idle_j
        else parts.energy_j
    end,
    case
        when metric in ('energy_above_idle_j', 'energy_above_active_idle_j') then 1
        when ends_with(metric, '_per_output_token_j') then parts.output_tokens
        when ends_with(metric, '_per_total_token_j') then parts.input_tokens::bigint + parts.output_tokens
        when ends_with(metric, '_per_word_j') then parts.output_words
        when ends_with(metric, '_per_character_j') then parts.output_chars
    end
);

-- The value of one metric of a prompt by its name, also of energy divided as a name says; null for a name that does not exist.
create macro prompt_value(
    metric,
    {metric},
    energy_error_j, energy_above_idle_j, energy_above_active_idle_j, output_words, output_chars
) as case metric
    when '{metric}' then {metric}
    when 'energy_error_j' then energy_error_j
    else divided_energy(metric, struct_pack(
        energy_j := energy_j, energy_above_idle_j := energy_above_idle_j, energy_above_active_idle_j := energy_above_active_idle_j,
        output_tokens := output_tokens, input_tokens := input_tokens, output_words := output_words, output_chars := output_chars
    ))
end;
