-- One row per answer of the run $result, and of the runs that repeat it, with energy: its measured energy, what E = a + b · in + c · out gives, and the
-- difference; the largest first.
-- At most 400 answers, as many as a chart has room for: the 100 farthest from the fit, and 300 of the others by a hash, whatever they cost.
-- The energy is `gross`, `above idle` or `above active idle`, as $idle says.
with chosen as (
    select
        row_number() over () as place,
        prompt_id,
        input_tokens,
        output_tokens,
        case $idle when 'above idle' then energy_above_idle_j when 'above active idle' then energy_above_active_idle_j else energy_j end as energy_j,
        $a::double + $b::double * input_tokens + $c::double * output_tokens as fitted_j
    from selected_prompts($selection)
    where status = 'ok'
        and run_number in (
            select alike.run_number
            from repetitions as named
            join repetitions as alike on alike.setup = named.setup
            where 'run:' || named.run_id = $result
        )
),
valued as materialized (
    select
        *,
        energy_j - fitted_j as residual_j
    from chosen
    where energy_j is not null
        and input_tokens is not null
        and output_tokens is not null
),
farthest as (
    from valued
    order by abs(residual_j) desc, prompt_id
    limit 100
),
others as (
    from valued
    anti join farthest using (place)
    order by hash(prompt_id, energy_j), place
    limit 300
)
select prompt_id, input_tokens, output_tokens, energy_j, fitted_j, residual_j
from (
    from farthest
    union all
    from others
)
order by abs(residual_j) desc, prompt_id
