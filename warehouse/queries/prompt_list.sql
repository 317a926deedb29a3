-- One row per prompt that was answered, of those that contain $search in id or text: how often, and what it cost; the costliest first, at most 200.
with answers as (
    select
        requests.prompt_set,
        prompts.prompt_id,
        prompts.model_id,
        prompts.energy_j,
        prompts.input_tokens,
        prompts.output_tokens,
        left(requests.prompt_text, 200) as prompt_text
    from selected_prompts(
        $models, $gpus, $tasks, $engines, $sources, $batch_sizes, $weights, $only_valid
    ) as prompts
    join requests
        on requests.run_id = prompts.run_id
        and requests.sequence = prompts.sequence
        and requests.repetition = prompts.repetition
    where prompts.status = 'ok'
        and (
            $search = ''
            or contains(lower(prompts.prompt_id), lower($search))
            or contains(lower(coalesce(requests.prompt_text, '')), lower($search))
        )
)
select
    prompt_id,
    prompt_set,
    max(prompt_text) as prompt_text,
    count(*) as answers,
    count(distinct model_id) as models,
    avg(energy_j) as energy_j,
    avg(input_tokens) as input_tokens,
    avg(output_tokens) as output_tokens
from answers
group by
    prompt_id,
    prompt_set
order by
    energy_j desc nulls last,
    prompt_id,
    prompt_set
limit 200
