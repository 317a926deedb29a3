-- One row per configuration, published or measured, least energy per response first; those without an energy come last.
select *
from selected_results(
    $models, $gpus, $tasks, $engines, $sources, $batch_sizes, $weights, $only_valid
)
order by
    energy_j nulls last,
    model_name,
    gpu_model,
    task,
    result_id
