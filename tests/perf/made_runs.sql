-- One row per made-up prompt of the runs from $first to $last, $size prompts each, without texts and gaps: as made_rows.sql, many runs at once.
with numbers as (
    select
        run,
        i::integer as i,
        hash(run, i) as h,
        (2 + (hash(run, i, 'n') % 1000) * (hash(run, i, 'm') % 1000) / 2000)::integer as tokens
    from range($first, $last + 1) as runs (run)
    cross join range($size) as r (i)
)
select
    one.* replace (
        'run-' || lpad(run::varchar, 6, '0') as run_id,
        'me/model-' || (run // 4 % 20) as model_id,
        'model-' || (run // 4 % 20) as model_name,
        (['chat', 'chat-concise', 'instruct', 'instruct-concise'])[1 + run % 4] as task,
        i as sequence,
        'prompt-' || i as prompt_id,
        i as window_id,
        one.started_at + to_seconds(10 * i) as started_at,
        tokens as output_tokens,
        (tokens * 0.75)::integer as output_words,
        tokens * 4 as output_chars,
        (5 + h % 300)::integer as input_tokens,
        (0.02 + (h % 1000) / 1e5)::double as ttft_s,
        0.02::double * tokens + (h % 1000) / 1e5 as latency_s,
        null::float[] as itl_s,
        (tokens * (2.5 + (h % 1000) / 1000))::double as energy_j,
        0.01::double * tokens as energy_error_j,
        null::varchar as prompt_text,
        null::varchar as output_text
    )
from one
cross join numbers
order by
    run,
    i
