-- One row per task: its system prompt, and for a concise task the wordy one that it is compared with.
from tasks
order by task
