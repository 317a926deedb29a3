-- One row per prompt that was answered, of those that contain $search in id or text: how often, and what it cost; at most 200. First come prompts
-- whose texts were kept, and of those the ones that cost the most for their runs: `times_run_mean` is the mean over all answers of the energy over the
-- mean energy of the answer's run, so that a prompt that only a costly model or engine answered does not come first. A text is read once: in runs of
-- one prompt set with one hash it is the same; a set without a hash is read run by run.
with places as (
    select
        run_number,
        prompt_set,
        model_id,
        ratio(runs.energy_j_total, runs.measured) as mean_j,
        -- The largest is the run to read a text from: one that has all texts rather than some. Its remainder is the number of the run.
        case when runs.texts > 0 then (runs.texts = runs.prompts)::bigint * 4294967296 + run_number end as text_place,
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
    join (select run_number, energy_j_total, measured, texts, prompts from runs) as runs using (run_number)
),
-- By number of place: grouping by its names would take ten times as long.
summed as (
    select
        requests.prompt_id,
        places.place,
        count(*) as answers,
        sum(requests.energy_j) as energy_j,
        count(requests.energy_j) as energies,
        sum(ratio(requests.energy_j, places.mean_j)) as times_run_mean,
        count(ratio(requests.energy_j, places.mean_j)) as means,
        sum(requests.input_tokens) as input_tokens,
        count(requests.input_tokens) as inputs,
        sum(requests.output_tokens) as output_tokens,
        count(requests.output_tokens) as outputs,
        max(places.text_place) as text_place
    from requests
    join (select run_number, place, mean_j, text_place from places) as places on places.run_number = requests.run_number
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
        max(text_place) is null,
        sum(times_run_mean) / sum(means) desc nulls last,
        prompt_id,
        prompt_set
    limit 200
),
kept as (
    select
        prompt_id,
        text_of,
        (max(text_place) % 4294967296)::integer as run_number
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
    sum(counted.times_run_mean) / sum(counted.means) as times_run_mean,
    sum(counted.energy_j) / sum(counted.energies) as energy_j,
    sum(counted.input_tokens) / sum(counted.inputs) as input_tokens,
    sum(counted.output_tokens) / sum(counted.outputs) as output_tokens
from counted
join found on found.prompt_id = counted.prompt_id and found.text_of = counted.text_of
group by
    counted.prompt_id,
    counted.prompt_set
order by
    max(counted.text_place) is null,
    times_run_mean desc nulls last,
    counted.prompt_id,
    counted.prompt_set
limit 200
