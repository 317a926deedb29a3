-- One row per prompt that was answered, of those that contain $search in id or text: how often, and what it cost; at most 200. First come prompts whose texts
-- were kept, and of those the ones that cost the most for their runs: `times_run_mean` is the mean over all answers of the energy over the mean energy of the
-- answer's run, so that a prompt that only a costly model or engine answered does not come first. Both `times_run_mean` and `energy_j` are of answers that had
-- the GPU for themselves: a share of a batch says how it was divided. Without such an answer they are null.
-- A text is the same in all runs of one prompt set with one hash, and is read from the newest of them; a set without a hash is read run by run.
-- Where $texts may not be shown none is read, and none is searched.
with chosen as (
    select
        runs.run_number,
        runs.prompt_set,
        runs.model_id,
        runs.energy_attribution is distinct from 'shared' as alone,
        case when alone then ratio(runs.energy_j_total, runs.measured) end as mean_j,
        case when runs.texts > 0 and $texts then runs.run_number end as text_run,
        dense_rank() over (
            order by runs.prompt_set, coalesce(runs.prompt_set_sha256, runs.run_number::varchar)
        )::integer as text_of
    from runs
    join selected_runs($selection) as selected on selected.run_number = runs.run_number
),
-- By number and not by name, and without the names of models: all prompts are grouped here.
answered as materialized (
    select
        requests.prompt_id,
        chosen.text_of,
        count(*) as answers,
        sum(ratio(requests.energy_j, chosen.mean_j)) as times,
        count(ratio(requests.energy_j, chosen.mean_j)) as means,
        sum(requests.energy_j) filter (where chosen.alone) as energy_j,
        count(requests.energy_j) filter (where chosen.alone) as energies,
        sum(requests.input_tokens) as input_tokens,
        count(requests.input_tokens) as inputs,
        sum(requests.output_tokens) as output_tokens,
        count(requests.output_tokens) as outputs,
        max(chosen.text_run) as text_run
    from requests
    join (select run_number, text_of, alone, mean_j, text_run from chosen) as chosen on chosen.run_number = requests.run_number
    where requests.status = 'ok'
        and (requests.valid or not $selection.only_valid)
    group by requests.prompt_id, chosen.text_of
),
-- Only what is looked for needs the texts of all prompts. One text each is taken before it is searched, or DuckDB would search those of all runs.
found as (
    select answered.*
    from answered
    left join (
        select run_number, prompt_id, prompt_text
        from requests
        where $search != ''
            and run_number in (select text_run from answered)
    ) as texts
        on texts.run_number = answered.text_run
        and texts.prompt_id = answered.prompt_id
    group by all
    having contains(lower(answered.prompt_id), lower($search))
        or contains(lower(max(texts.prompt_text)), lower($search))
),
listed as (
    select
        found.prompt_id,
        sets.prompt_set,
        list(found.text_of) as texts,
        max(found.text_run) as text_run,
        sum(found.answers)::bigint as answers,
        ratio(sum(found.times), sum(found.means)) as times_run_mean,
        ratio(sum(found.energy_j), sum(found.energies)) as energy_j,
        sum(found.input_tokens) / sum(found.inputs) as input_tokens,
        sum(found.output_tokens) / sum(found.outputs) as output_tokens
    from found
    join (select distinct text_of, prompt_set from chosen) as sets using (text_of)
    group by found.prompt_id, sets.prompt_set
    order by
        max(found.text_run) is null,
        times_run_mean desc nulls last,
        found.prompt_id,
        sets.prompt_set
    limit 200
),
models as (
    select distinct requests.prompt_id, chosen.text_of, chosen.model_id
    from requests
    join chosen on chosen.run_number = requests.run_number
    where requests.prompt_id in (select prompt_id from listed)
        and requests.status = 'ok'
        and (requests.valid or not $selection.only_valid)
),
texts as (
    select
        listed.prompt_id,
        listed.prompt_set,
        max(requests.prompt_text) as prompt_text
    from requests
    join listed on listed.text_run = requests.run_number and listed.prompt_id = requests.prompt_id
    group by listed.prompt_id, listed.prompt_set
)
select
    listed.prompt_id,
    listed.prompt_set,
    left(any_value(texts.prompt_text), 200) as prompt_text,
    listed.answers,
    count(distinct models.model_id) as models,
    listed.times_run_mean, listed.energy_j, listed.input_tokens, listed.output_tokens
from listed
join models
    on models.prompt_id = listed.prompt_id
    and list_contains(listed.texts, models.text_of)
left join texts
    on texts.prompt_id = listed.prompt_id
    and texts.prompt_set = listed.prompt_set
group by all
order by
    max(listed.text_run) is null,
    listed.times_run_mean desc nulls last,
    listed.prompt_id,
    listed.prompt_set
