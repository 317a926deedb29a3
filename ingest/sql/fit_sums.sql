-- One row per touched run from $first to $last, kind of energy and verdict of its prompts: sums of distances from about the mean of the run.
-- The mean is that of the valid prompts; 0 where there are none. What is known of a run comes out of lists by its number, as in summarised.sql.
insert into fit_sums by name
with known as (
    select
        runs.run_number,
        own_idle_power(runs.idle_power_w, runs.energy_attribution) as power_w,
        coalesce(round(max(mean) filter (where metric = 'input_tokens')), 0) as around_in,
        coalesce(round(max(mean) filter (where metric = 'output_tokens')), 0) as around_out,
        coalesce(max(mean) filter (where metric = 'energy_j'), 0) as around_j,
        coalesce(max(mean) filter (where metric = 'energy_above_idle_j'), 0) as around_above_idle_j
    from runs
    left join run_summary using (run_id)
    group by
        runs.run_number,
        power_w
),
listed as (
    select
        list(known.power_w order by numbers.run_number) as powers_w,
        list(known.around_in order by numbers.run_number) as around_in,
        list(known.around_out order by numbers.run_number) as around_out,
        list(known.around_j order by numbers.run_number) as around_j,
        list(known.around_above_idle_j order by numbers.run_number) as around_above_idle_j
    from range(1, (select max(run_number) + 1 from runs)) as numbers (run_number)
    left join known on known.run_number = numbers.run_number
),
answered as (
    select
        requests.run_id,
        requests.valid,
        requests.input_tokens,
        requests.output_tokens,
        listed.around_in[requests.run_number] as around_in,
        listed.around_out[requests.run_number] as around_out,
        unnest(
            [
                struct_pack(above_idle := false, energy_j := requests.energy_j, around_j := listed.around_j[requests.run_number]),
                struct_pack(
                    above_idle := true,
                    energy_j := above_idle(requests.energy_j, requests.latency_s, listed.powers_w[requests.run_number]),
                    around_j := listed.around_above_idle_j[requests.run_number]
                )
            ],
            recursive := true
        )
    from requests
    cross join listed
    where requests.status = 'ok'
        and requests.run_id between $first and $last
        and requests.run_id in (select run_id from touched)
),
distances as (
    select
        *,
        input_tokens - around_in as far_in,
        output_tokens - around_out as far_out,
        energy_j - around_j as far_energy
    from answered
    where energy_j is not null
        and input_tokens is not null
        and output_tokens is not null
)
select
    run_id,
    above_idle,
    valid,
    count(*) as prompts,
    any_value(around_in) as around_in,
    any_value(around_out) as around_out,
    any_value(around_j) as around_energy_j,
    sum(far_in) as far_in,
    sum(far_out) as far_out,
    sum(far_energy) as far_energy,
    sum(far_in * far_in) as in_in,
    sum(far_out * far_out) as out_out,
    sum(far_energy * far_energy) as energy_energy,
    sum(far_in * far_out) as in_out,
    sum(far_in * far_energy) as in_energy,
    sum(far_out * far_energy) as out_energy,
    max(output_tokens) as longest
from distances
group by
    run_id,
    above_idle,
    valid
