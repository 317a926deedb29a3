-- One row per published aggregate. One that another file brought already is left as it is.
insert or ignore into published by name
select
    concat_ws(
        ':', 'published', source, gpu_model, num_gpus, task, published_model_id, engine, dtype, batch_size, concurrency
    ) as result_id,
    canonical_model(published_model_id, null) as model_id,
    $file_id::integer as file_id,
    *
from incoming_figures
