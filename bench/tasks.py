"""The tasks: one system prompt each, the same for every model, and which verbose task a concise one is the twin of.

Source of the four prompts: ML.ENERGY Leaderboard, 2023.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """A way of asking."""

    name: str  # as stored in the `task` column
    system: str  # the system prompt
    style: str  # "chat" (roles of a conversation) or "instruct" (an instruction and a response)
    verbose_twin: str | None = None  # for a concise task, the task it is compared with; None for a verbose one


_CHAT = (
    "A chat between a human user (prompter) and an artificial intelligence (AI) assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)
_INSTRUCT = "Below is an instruction that describes a task. Write a response that appropriately completes the request."

TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task("chat", _CHAT, "chat"),
        Task("chat-concise", _CHAT + " The assistant's answers are very concise.", "chat", "chat"),
        Task("instruct", _INSTRUCT, "instruct"),
        Task("instruct-concise", _INSTRUCT + " The response should be very concise.", "instruct", "instruct"),
    )
}
