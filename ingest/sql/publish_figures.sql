-- One row per published aggregate, in a fixed order.
select *
from published
order by
    source,
    gpu_model,
    task,
    lower(published_model_id),
    result_id
