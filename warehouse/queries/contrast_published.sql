-- One row per published configuration that exists on both sides, A and B, and is alike in all else. `change` is B over A less 1.
-- $contrast (task, model, engine or gpu) is what differs; with $a empty the sides are every task and its concise twin.
-- ln(energy ratio) = length_effect_log + token_effect_log, exactly: fewer tokens, and a different energy per token.
with selected as (
    select
        *,
        side_of($contrast, task, model_name, engine, gpu_model) as side
    from selected_results($selection)
    where origin = 'published'
        and energy_j > 0
        and output_tokens > 0
),
sides as (from sides_of($contrast, $a, $b))
select
    sides.a, sides.b, a.source, a.generation, a.batch_size,
    case when $contrast != 'gpu' then a.gpu_model end as gpu_model,
    case when $contrast != 'task' then a.task end as task,
    case when $contrast != 'model' then a.model_name end as model_name,
    case when $contrast != 'engine' then a.engine end as engine,
    case when $contrast != 'model' then a.family end as family,
    case when $contrast != 'model' then a.params_total_b end as params_total_b,
    a.energy_j as energy_a_j,
    b.energy_j as energy_b_j,
    a.output_tokens as output_tokens_a,
    b.output_tokens as output_tokens_b,
    a.energy_per_token_j as energy_per_token_a_j,
    b.energy_per_token_j as energy_per_token_b_j,
    b.energy_j / a.energy_j - 1 as change,
    b.output_tokens / a.output_tokens - 1 as length_change,
    ln(b.energy_j / a.energy_j) as energy_effect_log,
    ln(b.output_tokens / a.output_tokens) as length_effect_log,
    ln((b.energy_j / b.output_tokens) / (a.energy_j / a.output_tokens)) as token_effect_log
from sides
join selected as a on a.side = sides.a
join selected as b
    on b.side = sides.b
    and b.source = a.source
    and b.num_gpus = a.num_gpus
    and b.batch_size is not distinct from a.batch_size
    and ($contrast = 'gpu' or b.gpu_model = a.gpu_model)
    and ($contrast = 'task' or b.task = a.task)
    and ($contrast = 'model' or b.model_id = a.model_id)
    and ($contrast = 'engine' or b.engine = a.engine)
order by a.source, gpu_model, sides.a, sides.b, change, a.model_id
