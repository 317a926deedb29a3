-- One row per task: its system prompt, and for a concise task the wordy one that it is compared with.
select
    task,
    system_prompt,
    verbose_twin
from tasks
order by task
