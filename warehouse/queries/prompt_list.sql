-- One row per prompt that was answered, of those that contain $search in id or text: how often, and what it cost; the costliest first, at most 200.
-- Numbers come from all answers. A text is read once: in runs of one prompt set with one hash it is the same; a set without a hash is read run by run.
with places as (
    select
        run_number,
        prompt_set,
        model_id,
        dense_rank() over (
            order by
                prompt_set,
                prompt_set_sha256,
                case when prompt_set_sha256 is null then run_number end
        )::integer as text_of,
        dense_rank() over (
            order by
                prompt_set,
                prompt_set_sha256,
                case when prompt_set_sha256 is null then run_number end,
                model_id
        )::integer as place
    from selected_runs(
        $models, $gpus, $tasks, $engines, $sources, $batch_sizes, $weights, $only_valid
    )
),
-- By number of place: grouping by its names would take ten times as long.
summed as (
    select
        requests.prompt_id,
        places.place,
        count(*) as answers,
        sum(requests.energy_j) as energy_j,
        count(requests.energy_j) as energies,
        sum(requests.input_tokens) as input_tokens,
        count(requests.input_tokens) as inputs,
        sum(requests.output_tokens) as output_tokens,
        count(requests.output_tokens) as outputs,
        max(case when requests.prompt_text is not null then requests.run_number end) as text_in
    from requests
    join (select run_number, place from places) as places on places.run_number = requests.run_number
    where requests.status = 'ok'
        and (requests.valid or not $only_valid)
    group by
        requests.prompt_id,
        places.place
),
counted as (
    select
        summed.*,
        labels.text_of,
        labels.prompt_set,
        labels.model_id
    from summed
    join (
        select distinct
            place,
            text_of,
            prompt_set,
            model_id
        from places
    ) as labels on labels.place = summed.place
),
-- The first 200 of all prompts: whose texts are read when nothing is looked for.
costliest as (
    select
        prompt_id,
        prompt_set
    from counted
    group by
        prompt_id,
        prompt_set
    order by
        sum(energy_j) / sum(energies) desc nulls last,
        prompt_id,
        prompt_set
    limit 200
),
kept as (
    select
        prompt_id,
        text_of,
        max(text_in) as run_number
    from counted
    where $search != ''
        or (prompt_id, prompt_set) in (from costliest)
    group by
        prompt_id,
        text_of
),
texts as (
    select
        kept.prompt_id,
        kept.text_of,
        max(requests.prompt_text) as prompt_text
    from kept
    left join requests
        on requests.run_number = kept.run_number
        and requests.prompt_id = kept.prompt_id
    group by
        kept.prompt_id,
        kept.text_of
),
found as (
    select
        prompt_id,
        text_of,
        left(prompt_text, 200) as prompt_text
    from texts
    where $search = ''
        or contains(lower(prompt_id), lower($search))
        or contains(lower(coalesce(prompt_text, '')), lower($search))
)
select
    counted.prompt_id,
    counted.prompt_set,
    max(found.prompt_text) as prompt_text,
    sum(counted.answers)::bigint as answers,
    count(distinct counted.model_id) as models,
    sum(counted.energy_j) / sum(counted.energies) as energy_j,
    sum(counted.input_tokens) / sum(counted.inputs) as input_tokens,
    sum(counted.output_tokens) / sum(counted.outputs) as output_tokens
from counted
join found on found.prompt_id = counted.prompt_id and found.text_of = counted.text_of
group by
    counted.prompt_id,
    counted.prompt_set
order by
    energy_j desc nulls last,
    counted.prompt_id,
    counted.prompt_set
limit 200
