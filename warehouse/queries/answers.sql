-- One row per GPU, task and model with real weights: J of an answer in the configuration that shows it best, and the `kind` of that number: measured for one
-- answer alone, divided by a rule among answers given together, or estimated by the source from J/token. Measured before divided before estimated; of several
-- measured ones the newest protocol with the most prompts, of others the least energy. Runs of one setup are one configuration, `runs` says how many: means
-- in which every prompt counts once, names of the first; `between_runs` is the standard deviation of ln(J/token) between them. `setup` is what its runs share,
-- null for published averages. `configurations` is how many there are to choose from.
with each as (
    select
        results.* replace (coalesce(ratio(evened.output_tokens, evened.answers), results.output_tokens) as output_tokens),
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
kinds as (
    select
        each.* exclude (weighed, lengths, tokens, is_evened) replace (
            case when count(*) over alike = 1 and not is_evened then energy_per_token_j else sum(joules * weighed) over alike / sum(tokens) over alike end
                as energy_per_token_j,
            case when count(*) over alike = 1 then output_tokens else sum(output_tokens * lengths) over alike / sum(lengths) over alike end as output_tokens,
            (sum(prompts) over alike)::bigint as prompts
        ),
        case when count(*) over alike = 1 then joules else sum(joules * weighed) over alike / sum(weighed) over alike end as answer_j,
        case when origin = 'measured' then count(*) over alike end as runs,
        stddev_samp(ln(nullif(energy_per_token_j, 0))) over alike as between_runs
    from each
    window alike as (partition by coalesce(setup, result_id), kind)
    qualify row_number() over (partition by coalesce(setup, result_id), kind order by result_id) = 1
)
select
    gpu_model, task, model_id, model_name, params_total_b, answer_j, kind,
    count(*) over of_model as configurations,
    num_gpus, dtype, batch_size, engine, source, origin, weights, prompts, runs, between_runs, setup,
    output_tokens, energy_per_token_j, harness_version, prompt_set, result_id
from kinds
window of_model as (partition by gpu_model, task, model_id)
qualify row_number() over (
    partition by gpu_model, task, model_id
    order by
        array_position(['measured', 'divided', 'estimated'], kind),
        case when kind = 'measured' then try_cast(harness_version as double) end desc nulls last,
        case when kind = 'measured' then prompts end desc nulls last,
        answer_j,
        result_id
) = 1
order by gpu_model, task, params_total_b nulls last, answer_j, model_id
