-- One row per setup of ours whose prompts were alone on the GPU and number ('energy_j', 'output_tokens', 'energy_per_token_j'): sums of squares of its
-- logarithm, from which the variance between prompts and that between answers to one prompt follow. Distances are from the mean of the run, so that the luck of
-- runs is in none.
-- Of runs with one seed only the newest counts: they draw the same answers. `within` is over answers to one prompt, `between` over the means of prompts;
-- `answers_squared` is the sum of the squares of how many answers each prompt has.
with counted as (
    select repetitions.run_number, repetitions.setup
    from repetitions
    join runs on runs.run_number = repetitions.run_number
    where repetitions.valid
        and runs.energy_attribution = 'exclusive'
    qualify row_number() over (partition by repetitions.setup, repetitions.seed order by runs.started_at desc, runs.run_id desc) = 1
),
logs as (
    select
        counted.setup,
        requests.run_number,
        requests.prompt_id,
        unnest(
            [
                struct_pack("number" := 'energy_j', "value" := ln(requests.energy_j)),
                struct_pack("number" := 'output_tokens', "value" := ln(requests.output_tokens)),
                struct_pack("number" := 'energy_per_token_j', "value" := ln(requests.energy_j / requests.output_tokens))
            ],
            recursive := true
        )
    from requests
    join counted on counted.run_number = requests.run_number
    where requests.valid
        and requests.energy_j > 0
        and requests.output_tokens > 0
),
distances as (
    select
        setup,
        "number",
        prompt_id,
        "value" - avg("value") over (partition by setup, "number", run_number) as distance
    from logs
),
prompts as (
    select
        setup,
        "number",
        count(*) as answers,
        avg(distance) as mean,
        var_pop(distance) * count(*) as within
    from distances
    group by setup, "number", prompt_id
)
select
    setup,
    "number",
    count(*) as prompts,
    sum(answers)::bigint as answers,
    sum(answers * answers)::bigint as answers_squared,
    sum(within) as within,
    sum(answers * mean * mean) - power(sum(answers * mean), 2) / sum(answers) as between
from prompts
group by all
having count(*) >= 5
order by setup, "number"
