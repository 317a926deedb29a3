-- One row per published aggregate, in a fixed order; GPUs as the source spells them.
select
    * exclude (gpu_model, published_gpu_model),
    published_gpu_model as gpu_model
from published
order by
    source,
    published_gpu_model,
    task,
    lower(published_model_id),
    num_gpus,
    parallelism,
    batch_size,
    repetition nulls first,
    result_id
