-- One row per prompt of the run $result with energy: its measured energy, what E = a + b · in + c · out gives, and the difference; the largest first.
-- At most 1,000 prompts.
select
    prompt_id,
    input_tokens,
    output_tokens,
    energy_j,
    $a::double + $b::double * input_tokens + $c::double * output_tokens as fitted_j,
    energy_j - ($a::double + $b::double * input_tokens + $c::double * output_tokens) as residual_j
from selected_prompts(
    $models, $gpus, $tasks, $engines, $sources, $batch_sizes, $weights, $only_valid
)
where status = 'ok'
    and energy_j is not null
    and input_tokens is not null
    and output_tokens is not null
    and 'run:' || run_id = $result
order by
    abs(residual_j) desc,
    prompt_id
limit 1000
