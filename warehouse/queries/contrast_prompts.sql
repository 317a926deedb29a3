-- One row per setup of ours that answered the same prompts on both sides, A and B; a pair is a prompt answered on both with energy measured.
-- $contrast (task, model, engine or gpu) is what differs; with $a empty the sides are every task and its concise twin. Of several runs alike,
-- the newest. With $finished pairs in which an answer was cut short are left out. `changes` is B over A less 1 of each pair, smallest first.
-- With $above_idle the energy is that above the power of the idle GPU.
with sides as (
    select verbose_twin as a, task as b
    from tasks
    where $a = ''
        and $contrast = 'task'
        and verbose_twin is not null
    union all
    select $a, $b
    where $a != ''
),
setups as (
    select
        runs.run_number,
        runs.run_id,
        models.name as model_name,
        models.family,
        models.params_total_b,
        runs.model_id,
        runs.gpu as gpu_model,
        runs.task,
        runs.engine,
        runs.prompt_set,
        runs.source,
        runs.started_at,
        case $contrast when 'task' then runs.task when 'model' then models.name when 'engine' then runs.engine when 'gpu' then runs.gpu end as side,
        struct_pack(
            prompts := coalesce(runs.prompt_set_sha256, runs.prompt_set),
            batch := runs.batch_size,
            concurrency := runs.concurrency,
            weights := runs.weights,
            harness := runs.harness_version,
            longest := runs.max_new_tokens,
            temperature := runs.temperature,
            top_p := runs.top_p,
            top_k := coalesce(runs.top_k, 0),
            penalty := runs.repetition_penalty,
            dtype := runs.dtype,
            model := case when $contrast != 'model' then runs.model_id end,
            gpu := case when $contrast != 'gpu' then runs.gpu end,
            task := case when $contrast != 'task' then runs.task end,
            engine := case when $contrast != 'engine' then runs.engine end
        ) as alike,
        runs.batch_size
    from runs
    join models on models.model_id = runs.model_id
    qualify row_number() over (partition by side, alike order by runs.started_at desc, runs.run_id desc) = 1
),
matched as (
    select
        a.run_number as run_a,
        b.run_number as run_b,
        sides.a,
        sides.b
    from sides
    join setups as a on a.side = sides.a
    join setups as b on b.side = sides.b and b.alike = a.alike
),
answered as (
    select
        run_number,
        prompt_id,
        repetition,
        case when $above_idle then energy_above_idle_j else energy_j end as joules,
        output_tokens,
        finish_reason = 'length' as cut
    from selected_prompts($selection)
    where status = 'ok'
        and joules > 0
        and output_tokens > 0
        and run_number in (select unnest([run_a, run_b]) from matched)
),
paired as (
    select
        matched.run_a,
        matched.run_b,
        a.joules as energy_a_j,
        b.joules as energy_b_j,
        a.output_tokens as tokens_a,
        b.output_tokens as tokens_b,
        coalesce(a.cut, false) or coalesce(b.cut, false) as cut
    from matched
    join answered as a on a.run_number = matched.run_a
    join answered as b on b.run_number = matched.run_b and b.prompt_id = a.prompt_id and b.repetition = a.repetition
),
summed as (
    select
        run_a,
        run_b,
        count(*) as pairs_all,
        count(*) filter (where cut) as truncated,
        count(*) filter (where not (cut and $finished)) as pairs,
        count(*) filter (where energy_b_j > energy_a_j and not (cut and $finished)) as more,
        sum(energy_a_j) filter (where not (cut and $finished)) as energy_a_j_total,
        sum(energy_b_j) filter (where not (cut and $finished)) as energy_b_j_total,
        sum(tokens_a) filter (where not (cut and $finished)) as tokens_a_total,
        sum(tokens_b) filter (where not (cut and $finished)) as tokens_b_total,
        list(energy_b_j / energy_a_j - 1 order by energy_b_j / energy_a_j) filter (where not (cut and $finished)) as changes
    from paired
    group by all
)
select
    matched.a,
    matched.b,
    setups.source,
    setups.batch_size,
    setups.prompt_set,
    run_a.harness_version,
    run_a.weights,
    case when $contrast != 'gpu' then setups.gpu_model end as gpu_model,
    case when $contrast != 'task' then setups.task end as task,
    case when $contrast != 'model' then setups.model_name end as model_name,
    case when $contrast != 'engine' then setups.engine end as engine,
    summed.pairs,
    greatest(run_a.prompts, run_b.prompts) - summed.pairs as dropped,
    summed.truncated,
    summed.more,
    summed.energy_a_j_total / summed.pairs as energy_a_j,
    summed.energy_b_j_total / summed.pairs as energy_b_j,
    summed.tokens_a_total / summed.pairs as output_tokens_a,
    summed.tokens_b_total / summed.pairs as output_tokens_b,
    summed.energy_a_j_total / summed.tokens_a_total as energy_per_token_a_j,
    summed.energy_b_j_total / summed.tokens_b_total as energy_per_token_b_j,
    summed.energy_b_j_total / summed.energy_a_j_total - 1 as change,
    summed.tokens_b_total / summed.tokens_a_total - 1 as length_change,
    ln(summed.energy_b_j_total / summed.energy_a_j_total) as energy_effect_log,
    ln(summed.tokens_b_total / summed.tokens_a_total) as length_effect_log,
    ln((summed.energy_b_j_total / summed.tokens_b_total) / (summed.energy_a_j_total / summed.tokens_a_total)) as token_effect_log,
    summed.changes
from summed
join matched using (run_a, run_b)
join setups on setups.run_number = summed.run_a
join runs as run_a on run_a.run_number = summed.run_a
join runs as run_b on run_b.run_number = summed.run_b
where summed.pairs > 0
order by
    gpu_model,
    matched.a,
    matched.b,
    change,
    run_a.run_id
