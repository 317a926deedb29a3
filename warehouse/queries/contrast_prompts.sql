-- One row per setup of ours that answered the same prompts on both sides, A and B; a pair is a prompt answered on both with energy measured, cut short or not.
-- $contrast (task, model, engine or gpu) is what differs; with $a empty the sides are every task and its concise twin. Runs that are alike in all
-- else are matched: those of one pass, else newest with newest.
-- `pairs` lists the pairs: a number for the prompt, energy and length of both answers, and whether each was cut short. `windows` lists, for energy that was
-- divided among prompts, the windows of both sides (`is_b`), with a number for the prompts that were answered in it. `runs` lists ln(J/token), card and
-- calibration of the runs of both sides, and what their pairs weigh. In means and totals every prompt counts once (`weight`), however often it was asked: some
-- runs are of the first prompts alone.
-- The energy is `gross`, `above idle` or `above active idle`, as $idle says.
with sides as (from sides_of($contrast, $a, $b)),
setups as (
    select
        runs.run_number,
        runs.run_id,
        repetitions.pass_id,
        models.name as model_name,
        models.family,
        models.params_total_b,
        runs.model_id,
        runs.gpu as gpu_model,
        runs.num_gpus, runs.dtype, runs.task, runs.engine, runs.prompt_set, runs.source, runs.started_at,
        runs.batch_size, runs.weights, runs.harness_version, runs.prompts,
        runs.energy_attribution is not distinct from 'shared' as shared,
        repetitions.energy_per_token_j,
        repetitions.card,
        repetitions.search,
        repetitions.calibration,
        side_of($contrast, runs.task, models.name, runs.engine, runs.gpu) as side,
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
            shared := runs.energy_attribution is not distinct from 'shared',
            origin := runs.source,
            gpus := coalesce(runs.num_gpus, 0),
            edges := coalesce(runs.energy_edges, ''),
            rate := coalesce(runs.request_rate, ''),
            counter := case when $contrast != 'gpu' then coalesce(runs.energy_source, '') end,
            power_limit := case when $contrast != 'gpu' then coalesce(runs.power_limit_w, '') end,
            version := case when $contrast != 'engine' then coalesce(runs.engine_version, '') end,
            seeded := case when $contrast != 'engine' then coalesce(runs.request_seed, '') end,
            backend := case when $contrast != 'engine' then coalesce(runs.attention_backend, '') end,
            revision := case when $contrast != 'model' then coalesce(runs.model_revision, '') end,
            weights_format := case when $contrast != 'model' then coalesce(runs.weights_format, '') end,
            template := case when $contrast in ('task', 'gpu') then coalesce(runs.prompt_template, '') end,
            options := case when $contrast in ('task', 'gpu') then runs.server_options end,
            model := case when $contrast != 'model' then runs.model_id end,
            gpu := case when $contrast != 'gpu' then runs.gpu end,
            task := case when $contrast != 'task' then runs.task end,
            engine := case when $contrast != 'engine' then runs.engine end
        ) as alike
    from selected_runs($selection) as chosen
    join runs on runs.run_number = chosen.run_number
    join repetitions on repetitions.run_number = chosen.run_number
    join models on models.model_id = runs.model_id
),
-- Runs that are matched have the same turn: that of a pass that has both sides, or how many newer ones there are. A pass of one side alone matches nothing:
-- runs of two models, engines or GPUs have passes of their own, and so have tasks that were measured one after the other.
passes as (
    select
        sides.a,
        sides.b,
        setups.*,
        case
            when min(setups.side) over same_pass != max(setups.side) over same_pass then setups.pass_id
        end as common_pass
    from sides
    join setups on setups.side in (sides.a, sides.b)
    window same_pass as (partition by sides.a, sides.b, setups.alike, setups.pass_id)
),
turns as (
    select
        *,
        common_pass is not null as is_pass,
        coalesce(
            common_pass,
            'newest ' || row_number() over (partition by a, b, side, alike, common_pass is null order by started_at desc, run_id desc)
        ) as turn
    from passes
),
matched as (
    select
        a.run_number as run_a,
        b.run_number as run_b,
        dense_rank() over (order by sides.a, sides.b, a.alike) as contrast,
        sides.a,
        sides.b,
        a.turn
    from sides
    join turns as a
        on a.a = sides.a
        and a.b = sides.b
        and a.side = sides.a
    join turns as b
        on b.a = sides.a
        and b.b = sides.b
        and b.side = sides.b
        and b.alike = a.alike
        and b.turn = a.turn
    where a.run_number != b.run_number
),
answered as (
    select
        requests.run_number, requests.prompt_id, requests.repetition, requests.window_id,
        shown_energy(
            $idle,
            requests.energy_j,
            requests.latency_s,
            own_idle_power(idle_power_of($idle, runs.idle_power_w, runs.active_idle_power_w), runs.energy_attribution)
        ) as joules,
        requests.output_tokens,
        requests.finish_reason = 'length' as cut,
        runs.energy_attribution is not distinct from 'shared' as shared
    from requests
    join runs on runs.run_number = requests.run_number
    where requests.status = 'ok'
        and (requests.valid or not $selection.only_valid)
        and joules > 0
        and requests.output_tokens > 0
        and requests.run_number in (select unnest([run_a, run_b]) from matched)
),
paired as (
    select
        matched.contrast,
        matched.turn,
        a.prompt_id,
        a.joules as energy_a_j,
        b.joules as energy_b_j,
        a.output_tokens as tokens_a,
        b.output_tokens as tokens_b,
        coalesce(a.cut, false) as cut_a,
        coalesce(b.cut, false) as cut_b,
        a.shared
    from matched
    join answered as a on a.run_number = matched.run_a
    join answered as b
        on b.run_number = matched.run_b
        and b.prompt_id = a.prompt_id
        and b.repetition = a.repetition
),
numbered as (
    select
        *,
        (dense_rank() over (partition by contrast order by prompt_id))::integer as prompt,
        1 / count(*) over (partition by contrast order by prompt_id groups between current row and current row) as weight
    from paired
),
summed as (
    select
        contrast,
        count(*) as pairs,
        sum(weight) as prompts,
        sum(weight * energy_a_j) as energy_a_j_total,
        sum(weight * energy_b_j) as energy_b_j_total,
        sum(weight * tokens_a) as tokens_a_total,
        sum(weight * tokens_b) as tokens_b_total,
        count(*) filter (where cut_a) as cut_a,
        count(*) filter (where cut_b) as cut_b,
        count(*) filter (where cut_a or cut_b) as cut_either,
        list(
            struct_pack(prompt, energy_a_j, energy_b_j, tokens_a, tokens_b, cut_a, cut_b)
            order by prompt, energy_a_j, energy_b_j
        ) filter (where not shared) as pair_list
    from numbered
    group by contrast
),
-- What the pairs of each turn weigh: a run without one is not among the runs of the contrast.
turns_paired as (
    select contrast, turn, sum(weight) as weight from numbered group by contrast, turn
),
-- Both sides of every contrast, one row per run.
ends as (
    select contrast, a, b, turn, run_a as run_number, false as is_b from matched
    union all
    select contrast, a, b, turn, run_b, true from matched
),
divided as (
    select
        contrast,
        list(struct_pack(is_b, answered_together, joules, answers, tokens) order by answered_together, is_b, joules) as windows
    from (
        select
            ends.contrast,
            ends.is_b,
            shared_windows.answered_together,
            sum(answered.joules) as joules,
            count(*) as answers,
            sum(answered.output_tokens)::bigint as tokens
        from ends
        join answered on answered.run_number = ends.run_number
        join shared_windows
            on shared_windows.run_number = answered.run_number
            and shared_windows.window_id is not distinct from answered.window_id
        group by
            ends.contrast, ends.is_b, ends.run_number, shared_windows.window_id,
            shared_windows.answered_together
    )
    group by contrast
),
run_lists as (
    select
        ends.contrast,
        list(
            struct_pack(
                is_b := ends.is_b,
                turn := ends.turn,
                is_pass := turns.is_pass,
                ln := ln(turns.energy_per_token_j),
                card := turns.card,
                search := turns.search,
                calibration := turns.calibration,
                weight := turns_paired.weight
            )
            order by ends.is_b, ends.turn
        ) filter (where turns_paired.weight > 0) as runs,
        sum(turns.prompts) filter (where not ends.is_b) as asked_a,
        sum(turns.prompts) filter (where ends.is_b) as asked_b,
        min(ends.run_number) filter (where not ends.is_b) as first_a,
        min(ends.run_number) filter (where ends.is_b) as first_b
    from ends
    join turns
        on turns.run_number = ends.run_number
        and turns.a = ends.a
        and turns.b = ends.b
    left join turns_paired
        on turns_paired.contrast = ends.contrast
        and turns_paired.turn = ends.turn
    group by ends.contrast
)
select
    first_a.source, first_a.batch_size, first_a.prompt_set, first_a.harness_version, first_a.weights,
    first_a.dtype, first_a.num_gpus, first_a.shared,
    first_a.side as a,
    first_b.side as b,
    case when $contrast != 'gpu' then first_a.gpu_model end as gpu_model,
    case when $contrast != 'task' then first_a.task end as task,
    case when $contrast != 'model' then first_a.model_name end as model_name,
    case when $contrast != 'engine' then first_a.engine end as engine,
    summed.pairs,
    greatest(run_lists.asked_a, run_lists.asked_b)::bigint - summed.pairs as dropped,
    summed.energy_a_j_total / summed.prompts as energy_a_j,
    summed.energy_b_j_total / summed.prompts as energy_b_j,
    summed.tokens_a_total / summed.prompts as output_tokens_a,
    summed.tokens_b_total / summed.prompts as output_tokens_b,
    summed.energy_a_j_total / summed.tokens_a_total as energy_per_token_a_j,
    summed.energy_b_j_total / summed.tokens_b_total as energy_per_token_b_j,
    summed.energy_b_j_total / summed.energy_a_j_total - 1 as change,
    summed.tokens_b_total / summed.tokens_a_total - 1 as length_change,
    ln(summed.energy_b_j_total / summed.energy_a_j_total) as energy_effect_log,
    ln(summed.tokens_b_total / summed.tokens_a_total) as length_effect_log,
    ln((summed.energy_b_j_total / summed.tokens_b_total) / (summed.energy_a_j_total / summed.tokens_a_total)) as token_effect_log,
    summed.cut_a, summed.cut_b, summed.cut_either, summed.pair_list, divided.windows, run_lists.runs
from summed
join run_lists using (contrast)
join setups as first_a on first_a.run_number = run_lists.first_a
join setups as first_b on first_b.run_number = run_lists.first_b
left join divided using (contrast)
order by gpu_model, a, b, change, first_a.run_id
