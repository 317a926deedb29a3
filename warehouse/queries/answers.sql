-- One row per GPU, task and model with real weights: J of an answer in the configuration that shows it best, and the `kind` of that number: measured for one
-- answer alone, divided by a rule among answers given together, or estimated by the source from J/token. Measured before divided before estimated; of several
-- measured ones the newest protocol with the most prompts, of others the least energy. Runs of one setup are one configuration, `runs` says how many: means
-- in which every prompt counts once, names of the first; `between_runs` is the standard deviation of ln(J/token) between them. `setup` is what its runs share,
-- null for published averages. `configurations` is how many there are to choose from.
with each as (
    select
        results.result_id, results.setup, results.gpu_model, results.task, results.model_id, results.harness_version, results.prompts,
        results.energy_per_token_j,
        coalesce(ratio(evened.output_tokens, evened.answers), results.output_tokens) as output_tokens,
        coalesce(ratio(evened.energy_j, evened.measured), results.energy_j, results.estimated_energy_j) as joules,
        -- An answer without energy weighs nothing in a mean of energies.
        coalesce(evened.measured, runs.measured, results.prompts) as weighed,
        coalesce(evened.answers, results.prompts) as lengths,
        evened.run_id is not null as is_evened,
        coalesce(evened.measured_output_tokens, runs.measured_output_tokens_total, results.output_tokens * results.prompts) as tokens,
        case
            when results.energy_j is null then 'estimated'
            when results.batch_size > 1 or runs.energy_attribution = 'shared' then 'divided'
            else 'measured'
        end as kind
    from selected_results($selection) as results
    left join runs on 'run:' || runs.run_id = results.result_id
    left join evened on evened.run_id = runs.run_id
    where results.weights = 'pretrained'
        and coalesce(results.energy_j, results.estimated_energy_j) > 0
),
-- One row per configuration and kind: what its runs have in common, and the first of them.
kinds as (
    select
        min(result_id) as result_id,
        any_value(gpu_model) as gpu_model,
        any_value(task) as task,
        any_value(model_id) as model_id,
        any_value(harness_version) as harness_version,
        kind,
        count(*) as runs,
        sum(prompts)::bigint as prompts,
        case when count(*) = 1 then any_value(joules) else sum(joules * weighed) / sum(weighed) end as answer_j,
        case when count(*) = 1 then any_value(output_tokens) else sum(output_tokens * lengths) / sum(lengths) end as output_tokens,
        case when count(*) = 1 and not bool_or(is_evened) then any_value(energy_per_token_j) else sum(joules * weighed) / sum(tokens) end
            as energy_per_token_j,
        stddev_samp(ln(nullif(energy_per_token_j, 0))) as between_runs
    from each
    group by coalesce(setup, result_id), kind
),
of_models as (
    select
        count(*) as configurations,
        first(
            result_id
            order by
                array_position(['measured', 'divided', 'estimated'], kind),
                case when kind = 'measured' then try_cast(harness_version as double) end desc nulls last,
                case when kind = 'measured' then prompts end desc nulls last,
                answer_j,
                result_id
        ) as result_id
    from kinds
    group by gpu_model, task, model_id
)
select
    results.gpu_model, results.task, results.model_id, results.model_name, results.params_total_b, kinds.answer_j, kinds.kind,
    of_models.configurations,
    results.num_gpus, results.dtype, results.batch_size, results.engine, results.source, results.origin, results.weights, kinds.prompts,
    case when results.origin = 'measured' then kinds.runs end as runs,
    kinds.between_runs, results.setup,
    kinds.output_tokens, kinds.energy_per_token_j, results.harness_version, results.prompt_set, results.result_id
from of_models
join kinds using (result_id)
join results using (result_id)
order by results.gpu_model, results.task, results.params_total_b nulls last, kinds.answer_j, results.model_id
