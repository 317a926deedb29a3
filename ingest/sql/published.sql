-- One row per published aggregate. One that another file brought already is left as it is.
insert or ignore into published by name
select
    concat_ws(
        ':', 'published', source, gpu_model, num_gpus, task, published_model_id, engine, dtype, batch_size, concurrency, parallelism, repetition
    ) as result_id,
    canonical_model(published_model_id, null) as model_id,
    gpu_label(gpu_model) as gpu_model,
    gpu_model as published_gpu_model,
    $file_id::integer as file_id,
    * exclude (gpu_model)
from incoming_figures
