-- One row per configuration, published or measured, least energy per response first; those whose energy is modelled come after, those without one last.
select *
from selected_results($selection)
order by
    energy_j nulls last,
    estimated_energy_j nulls last,
    model_name, gpu_model, task, result_id
