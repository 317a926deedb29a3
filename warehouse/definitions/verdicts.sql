-- Whether a row and a run count, and every reason for it. docs/verdicts.md explains each.

-- Shares above which a verdict is given.
create macro unresolved_share() as 0.10;
create macro balance_tolerance() as 0.02;
create macro run_share() as 0.10;
create macro few_prompts() as 20;
-- From here on an answer counts as one that repeats itself.
create macro looped_share() as 0.20;
-- A neighbour is busy above so many times the idle power of the measured card; above so many watts where that is not known.
create macro busy_neighbour_times() as 1.5;
create macro busy_neighbour_w() as 150;
-- A host is busy when more than this share of its processors has work.
create macro busy_host_load() as 0.5;

-- A prompt is cached when a server took more than this share of it from its cache of prefixes.
create macro cached_share() as 0.10;

-- The reasons that hold for one row of `requests`, by its columns: a struct of them all would be copied for each field that is used, which takes long to plan.
create macro request_reasons(
    status, finish_reason, throttled, power_capped, warm, energy_j, energy_error_j, energy_reason, energy_attribution, input_tokens, output_tokens,
    cached_tokens, loop_share, idle_power_w, neighbour_power_w, host_load, other_processes, device
) as list_filter(
    [
        case when status = 'failed' then 'failed' end,
        case when throttled then 'throttled' end,
        case when finish_reason = 'length' then 'truncated' end,
        case when energy_j is null and status = 'ok' then 'no-energy' end,
        case when energy_j is null and status = 'ok' and energy_reason is null then 'no-energy-reason' end,
        case when energy_error_j > unresolved_share() * energy_j then 'not-resolved' end,
        case when energy_attribution = 'shared' and energy_j is not null then 'shared-gpu' end,
        case when output_tokens = 0 and status = 'ok' then 'no-tokens' end,
        case when power_capped then 'power-capped' end,
        case when not warm and status = 'ok' then 'cold' end,
        case when loop_share >= looped_share() then 'looped' end,
        case when neighbour_power_w > coalesce(busy_neighbour_times() * idle_power_w, busy_neighbour_w()) then 'busy-neighbour' end,
        case when host_load > busy_host_load() then 'busy-host' end,
        case when other_processes > 0 and device is distinct from 'server' then 'other-process' end,
        case when cached_tokens > cached_share() * input_tokens then 'cached-prompt' end
    ],
    lambda code: code is not null
);

-- Whether one row counts in totals and averages.
create macro request_is_valid(status, throttled) as status = 'ok' and throttled is distinct from true;

-- Whether vLLM had to draw the tokens of a batch request by request, because each request brought a seed: until protocol 2.2 all did.
create macro draws_one_by_one(engine, concurrency, harness_version, environment) as
    engine = 'vllm'
    and concurrency > 1
    and coalesce(
        try_cast(try_cast(environment as json) ->> '$.request_seed' as boolean),
        try_cast(harness_version as double) < 2.2
    );

-- The reasons that hold for one run, by its columns in `runs`, with `seeded`, whether it drew its tokens one by one, and `accompanied`, whether another
-- process was on the measured GPU when a session began or an answer ended; a server is one itself.
create macro run_reasons(
    prompts, ok, counted, measured, resolved, throttled, truncated, power_capped, cold, looped, beside_busy, accompanied, seeded, finished,
    weights, balance_ratio, idle_power_w
) as list_filter(
    [
        case when counted = 0 then 'no-valid-rows' end,
        case when abs(balance_ratio - 1) > balance_tolerance() then 'balance' end,
        case when throttled > run_share() * ok then 'throttled' end,
        case when prompts > ok then 'failed' end,
        case when counted < few_prompts() then 'too-few-prompts' end,
        case when measured = 0 then 'no-energy' end,
        case when measured > 0 and measured - resolved > run_share() * measured then 'not-resolved' end,
        case when measured > 0 and idle_power_w is null then 'no-idle-power' end,
        case when truncated > run_share() * ok then 'truncated' end,
        case when weights = 'dummy' then 'dummy-weights' end,
        case when not finished then 'unfinished' end,
        case when power_capped > run_share() * ok then 'power-capped' end,
        case when cold > 0 then 'cold' end,
        case when looped > run_share() * ok then 'looped' end,
        case when beside_busy > run_share() * ok then 'beside-busy' end,
        case when accompanied then 'other-process' end,
        case when seeded then 'seeded-requests' end
    ],
    lambda code: code is not null
);

-- Whether a run counts in comparisons.
create macro run_is_valid(reasons) as not list_has_any(reasons, ['no-valid-rows', 'balance', 'throttled']);

insert into reason_codes
values
    ('failed', 'request', true, 'The model gave no answer; the row says why.'),
    ('throttled', 'request', true, 'The GPU lowered its clocks for heat or power during this response.'),
    ('truncated', 'request', false, 'The answer hit the length limit.'),
    ('no-energy', 'request', false, 'The energy was not measured; the row says why.'),
    ('no-energy-reason', 'request', false, 'The energy was not measured and nobody wrote why.'),
    ('not-resolved', 'request', false, 'The counter''s step makes the energy uncertain by more than 10 %.'),
    ('shared-gpu', 'request', false, 'Other requests ran at the same time; the energy was divided by a rule.'),
    ('no-tokens', 'request', false, 'The answer is empty: it has no energy per token.'),
    ('power-capped', 'request', false, 'The GPU lowered its clocks to keep to its power limit.'),
    ('cold', 'request', false, 'The warm-up had not ended with two answers that agreed.'),
    ('looped', 'request', false, 'A good part of the answer is the same few tokens again and again.'),
    ('busy-neighbour', 'request', false, 'Another GPU of the host was at work.'),
    ('busy-host', 'request', false, 'Other work kept more than half of the host''s processors busy.'),
    ('other-process', 'request', false, 'Another process was on the measured GPU: what it did may be in the joules.'),
    ('cached-prompt', 'request', false, 'The server took part of the prompt from a cache, which costs no prefill.'),
    ('no-valid-rows', 'run', true, 'No row of the run is valid.'),
    ('balance', 'run', true, 'The energy of the windows and gaps is more than 2 % off the counter of the whole run.'),
    ('throttled', 'run', true, 'The GPU lowered its clocks in more than 10 % of the responses.'),
    ('failed', 'run', false, 'Some prompts failed; they are left out of the averages.'),
    ('too-few-prompts', 'run', false, 'Under 20 valid rows: averages are rough.'),
    ('no-energy', 'run', false, 'No energy was measured.'),
    ('not-resolved', 'run', false, 'More than 10 % of the energies are uncertain by more than 10 %.'),
    ('no-idle-power', 'run', false, 'Idle power was not recorded: energy above idle is not known.'),
    ('truncated', 'run', false, 'More than 10 % of the answers hit the length limit.'),
    ('dummy-weights', 'run', false, 'Random weights: the energy per token is real, the text is not.'),
    ('unfinished', 'run', false, 'The run was stopped before its end.'),
    ('power-capped', 'run', false, 'The GPU kept to its power limit in more than 10 % of the responses.'),
    ('cold', 'run', false, 'Some answers were measured before the warm-up had become steady.'),
    ('looped', 'run', false, 'More than 10 % of the answers repeat themselves.'),
    ('beside-busy', 'run', false, 'Another GPU of the host, or the host itself, was busy during more than 10 % of the responses.'),
    ('other-process', 'run', false, 'Another process was on the measured GPU: what it did is in the joules.'),
    (
        'seeded-requests',
        'run',
        false,
        'Each request brought a seed, for which vLLM draws tokens request by request: a batch is slower and dearer than it is for most people.'
    );
