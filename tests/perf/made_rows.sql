-- One row per made-up prompt of the runs from $first to $last, $size prompts each, of the first $rows prompts; texts and gaps between tokens only with
-- $texts. The setup is that of a real record; lengths are skewed, energies follow them with noise.
with numbers as (
    select
        run,
        i::integer as i,
        hash(run, i) as h,
        (2 + (hash(run, i, 'n') % 1000) * (hash(run, i, 'm') % 1000) / 2000)::integer as tokens
    from range($first, $last + 1) as runs (run)
    cross join range($size) as r (i)
    where run * $size + i < $rows
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
        case when $texts then list_transform(range(24), lambda x: (0.018 + (hash(h, x) % 1000) / 2.5e5)::float) end as itl_s,
        (tokens * (2.5 + (h % 1000) / 1000))::double as energy_j,
        0.01::double * tokens as energy_error_j,
        case when $texts then md5(h::varchar) || md5((h // 3 + 2)::varchar) end as prompt_text,
        case when $texts then md5(h::varchar) || md5((h // 3 + 1)::varchar) || repeat(md5((h // 2)::varchar), 4) end as output_text
    )
from one
cross join numbers
order by
    run,
    i
