-- One row per prompt that was answered, of those that contain $search in id or text: how often, and what it cost; at most 200. First come prompts
-- whose texts were kept, and of those the ones that cost the most for their runs: `times_run_mean` is the mean over all answers of the energy over the
-- mean energy of the answer's run, so that a prompt that only a costly model or engine answered does not come first. A text is read once: in runs of
-- one prompt set with one hash it is the same; a set without a hash is read run by run.
-- The sums that the ingest keeps are of runs alike in prompts, model, task and weights. With a filter on anything else the answers themselves are read.
with places as (
    select
        run_number,
        prompt_set,
        model_id,
        ratio(runs.energy_j_total, runs.measured) as mean_j,
        text_place(run_number, runs.texts, runs.prompts) as text_place,
        dense_rank() over (
            order by
                prompt_set,
                prompt_set_sha256,
                case when prompt_set_sha256 is null then run_number end
        )::integer as text_of,
        dense_rank() over (order by prompt_set)::integer as set_of,
        dense_rank() over (
            order by
                prompt_set,
                prompt_set_sha256,
                case when prompt_set_sha256 is null then run_number end,
                model_id
        )::integer as place
    from labelled_runs
    join (select run_number, energy_j_total, measured, texts, prompts from runs) as runs using (run_number)
    where is_kept(
        model_id, gpu_model, task, engine, source, batch_size, weights, valid or prompt_sums_suffice($selection), $selection
    )
        and (not prompt_sums_suffice($selection) or run_number in (select group_number from prompt_groups))
),
-- By number of place: grouping by its names would take ten times as long.
read as materialized (
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
    where not prompt_sums_suffice($selection)
        and requests.status = 'ok'
        and (requests.valid or not $selection.only_valid)
    group by
        requests.prompt_id,
        places.place
),
counted as (
    select
        sums.* exclude (place),
        labels.text_of,
        labels.set_of,
        labels.prompt_set,
        labels.model_id
    from (
        select *
        from read
        union all by name
        select
            prompt_sums.* exclude (group_number, valid),
            places.place
        from prompt_sums
        join places on places.run_number = prompt_sums.group_number
        where prompt_sums_suffice($selection)
            and (prompt_sums.valid or not $selection.only_valid)
    ) as sums
    join (
        select distinct
            place,
            text_of,
            set_of,
            prompt_set,
            model_id
        from places
    ) as labels on labels.place = sums.place
),
-- The first 200 of all prompts: whose texts are read when nothing is looked for.
costliest as (
    select
        prompt_id,
        set_of
    from counted
    group by
        prompt_id,
        set_of
    order by
        max(text_place) is null,
        sum(times_run_mean) / sum(means) desc nulls last,
        prompt_id,
        set_of
    limit 200
),
kept as (
    select
        prompt_id,
        text_of,
        run_of_text_place(max(text_place)) as run_number
    from counted
    where $search != ''
        or (prompt_id, set_of) in (from costliest)
    group by
        prompt_id,
        text_of
),
texts as (
    select
        kept.prompt_id,
        kept.text_of,
        max(case when $texts then requests.prompt_text end) as prompt_text
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
