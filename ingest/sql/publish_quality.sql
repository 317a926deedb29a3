-- One row per score, in a fixed order; models under their canonical ids.
select
    model_id as published_model_id,
    * exclude (model_id, file_id)
from quality
order by
    source,
    lower(model_id),
    benchmark,
    metric,
    fewshot,
    version,
    score
