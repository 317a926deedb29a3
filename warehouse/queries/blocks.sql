-- One row per run named in $results (ids, one a line) and block: sums over the prompts of the block. Prompts are dealt into at most 1,000 blocks,
-- so that a bootstrap over blocks costs the same for any number of prompts; up to 1,000 different prompts have one each. The same prompt is in the
-- same block in every run, so that runs can be drawn together.
-- With $above_idle the energy is that above the power of the idle GPU.
with dealt as (
    select
        'run:' || prompts.run_id as result_id,
        (dense_rank() over (order by prompts.prompt_set, prompts.prompt_id, prompts.repetition) - 1) % 1000 as block,
        case when $above_idle then prompts.energy_above_idle_j else prompts.energy_j end as energy_j,
        prompts.output_tokens,
        prompts.input_tokens,
        prompts.output_words,
        prompts.output_chars
    from selected_prompts($selection) as prompts
    where prompts.status = 'ok'
        and case when $above_idle then prompts.energy_above_idle_j else prompts.energy_j end is not null
        and list_contains(string_split($results, chr(10)), 'run:' || prompts.run_id)
)
select
    result_id,
    block,
    count(*) as prompts,
    sum(energy_j) as energy_j,
    sum(output_tokens) as output_tokens,
    sum(input_tokens::bigint + output_tokens) as total_tokens,
    sum(output_words) as output_words,
    sum(output_chars) as output_chars
from dealt
group by
    result_id,
    block
order by
    result_id,
    block
