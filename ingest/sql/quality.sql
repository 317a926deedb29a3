-- One row per score. One that another file brought already is left as it is.
insert into quality by name
select
    canonical_model(published_model_id, null) as model_id,
    $file_id::integer as file_id,
    incoming.* exclude (published_model_id)
from incoming_figures as incoming
where not exists (
    from quality
    where quality.model_id = canonical_model(incoming.published_model_id, null)
        and quality.benchmark = incoming.benchmark
        and quality.source = incoming.source
        and quality.metric is not distinct from incoming.metric
        and quality.fewshot is not distinct from incoming.fewshot
        and quality.version is not distinct from incoming.version
        and quality.score = incoming.score
)
