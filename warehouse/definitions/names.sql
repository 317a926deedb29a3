-- What people call a GPU, a model, a family, a source and a series.

-- The chip in a GPU's full name, or an empty text.
create macro gpu_chip(full_name) as regexp_extract(
    full_name,
    '\b(GB300|GB200|GH200|B300|B200|H200|H100|H800|H20|A100|A800|A40|A30|A10G|A10|V100|P100|T4|L40S|L40|L4|MI[0-9]+[AX]?)\b',
    1
);

-- A GPU's short name, so that "A100", "NVIDIA A100-SXM4-40GB" and "A100-SXM4-40GB" are one choice; what makes another card of the same chip
-- (PCIe, NVL, the A100 of 80 GB) stays in it. "CPU" stands for rows without a GPU.
create macro gpu_label(full_name) as case
    when full_name is null then 'CPU'
    when gpu_chip(full_name) = '' then regexp_replace(full_name, '^NVIDIA ', '')
    else concat_ws(
        ' ',
        gpu_chip(full_name),
        nullif(regexp_extract(full_name, '\b(PCIe|PCIE|NVL)\b', 1), ''),
        case when gpu_chip(full_name) = 'A100' and contains(full_name, '80GB') then '80GB' end
    )
end;

-- The hash of the set that prompts are of. The last 70 of the 200 ShareGPT prompts, and 49 others of them as chats, were asked from files of their own, which
-- have hashes of their own; a test compares their names. `bench run --skip` asks the end of a set.
create macro set_of(sha256) as case when sha256 in (
    'a9af0e078f5dd1dae3334b7104e262fc1c2a2c92411f2b811e7bccc2bc8bbda1',
    '4966d1b50b45a28daff6e81f2cde085f9280d135fa60551268362edd00957855'
) then '0838256519dcfa69348301beed106257d3b5a269a688684b1220623de7a7f5a2' else sha256 end;

-- The source of our own rows; a reader names that of a tool's (`ingest/formats/`).
create macro own_source() as 'Prompt Joules';

-- What ran the model, in the words of people. `openai` is the API that was spoken, not the company: the server behind it, by who owns its models;
-- else that it is one with this API. The runs of 2026-11-25 did not write down that it was transformers' server; docs/log.md did.
create macro engine_name(run_id, engine, environment) as case
    when engine <> 'openai' then engine
    when run_id in ('01a213d7-f8e1-7624-be1e-2ceaf7856a53', '01a213d9-16d2-799e-a96a-7404a32c67d6') then 'transformers serve'
    else case try_cast(environment as json) ->> '$.server_owner'
        when 'vllm' then 'vllm'
        when 'sglang' then 'sglang'
        when 'llamacpp' then 'llama.cpp'
        else 'server with OpenAI API'
    end
end;

-- Whose clock the times of a row are, by its environment: a time without a zone is stored as if it were UTC.
create macro clock_of(environment) as case try_cast(environment as json) ->> '$.clock'
    when 'local' then 'local, zone unknown'
    when 'file' then 'time of the file'
    else 'UTC'
end;

-- The number format of weights as people write it; null where a source does not say.
create macro precision_label(dtype) as case lower(dtype)
    when 'float32' then 'FP32'
    when 'float16' then 'FP16'
    when 'bfloat16' then 'BF16'
    when 'float8' then 'FP8'
    else upper(dtype)
end;

-- The name of the group that a row belongs to. A result is all that names a configuration of ours.
create macro series_name(
    grouped_by, model_name, task, gpu_model, num_gpus, dtype, engine, batch_size, prompt_set, weights, harness_version
) as case grouped_by
    when 'result' then concat_ws(
        ' · ',
        model_name,
        case when num_gpus > 1 then num_gpus || '×' else '' end || gpu_model,
        precision_label(dtype),
        task,
        engine,
        'batch ' || batch_size,
        prompt_set,
        case when weights = 'dummy' then 'random weights' end,
        'protocol ' || harness_version
    )
    when 'model' then model_name
    when 'task' then task
    when 'gpu' then gpu_model
    when 'engine' then engine
    when 'batch size' then coalesce('batch ' || batch_size, 'batch not stated')
    when 'prompt set' then prompt_set
end;

-- The family of a model that nobody has put into models.csv: guessed from its name.
create macro family_of(model_id) as case
    when lower(model_id) similar to '.*llama-?_?2.*' then 'Llama 2'
    when lower(model_id) similar to '.*llama-?_?3.*' then 'Llama 3'
    when lower(model_id) similar to '.*llama-?_?4.*' then 'Llama 4'
    when contains(lower(model_id), 'llama') then 'LLaMA'
    when contains(lower(model_id), 'vicuna') then 'LLaMA'
    when contains(lower(model_id), 'smollm') then 'SmolLM'
    when contains(lower(model_id), 'qwen') then 'Qwen'
    when contains(lower(model_id), 'mixtral') or contains(lower(model_id), 'mistral') then 'Mistral'
    when contains(lower(model_id), 'gemma') then 'Gemma'
    when contains(lower(model_id), 'deepseek') then 'DeepSeek'
    when contains(lower(model_id), 'phi-') then 'Phi'
    when contains(lower(model_id), 'pythia') then 'Pythia'
    when contains(lower(model_id), 'gpt-oss') then 'GPT-OSS'
    else 'other'
end;

-- The canonical id of a model: by the id that a source uses, then by its short name, else the id itself.
create macro canonical_model(source_id, short_name) as coalesce(
    (select model_aliases.model_id from model_aliases where model_aliases.alias = lower(source_id)),
    (select model_aliases.model_id from model_aliases where model_aliases.alias = lower(short_name)),
    source_id
);
