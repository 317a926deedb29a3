-- One row per GPU, task and model with real weights: J of an answer in the configuration that shows it best, and the `kind` of that number: measured for one
-- answer alone, divided by a rule among answers given together, or estimated by the source from J/token. Measured before divided before estimated; of several
-- measured ones the newest protocol with the most prompts, of others the least energy. Runs of one setup are one configuration, `runs` says how many: means
-- in which every prompt counts once, names of the first; `between_runs` is the standard deviation of ln(J/token) between them. `setup` is what its runs share,
-- null for published averages. `configurations` is how many there are to choose from.
with kinds as (
    select *
    from selected_setups($selection)
    where weights = 'pretrained'
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
