"""Selection: the state of the filters. One object gives the SQL parameters, the words for people, and the URL.

The URL vocabulary (model, gpu, task, engine, source, batch, weights, valid) is public: people have saved links.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

# URL key → field, in the order in which a link and a sentence name them.
TEXT_FILTERS: dict[str, str] = {
    "model": "models",
    "gpu": "gpus",
    "task": "tasks",
    "engine": "engines",
    "source": "sources",
}
LABELS: dict[str, str] = {"model": "model", "gpu": "GPU", "task": "task", "engine": "engine", "source": "source"}
KNOWN_WEIGHTS = ("pretrained", "dummy")
DEFAULT_WEIGHTS = ("pretrained",)
LONGEST_VALUE = 300
LARGEST_BATCH = 32_767


@dataclass(frozen=True)
class Selection:
    """Which configurations to look at. An empty tuple means all of them.

    Attributes:
        models: canonical model ids.
        gpus: GPU names; "CPU" stands for rows without a GPU.
        tasks: task names.
        engines: how the model was run.
        sources: who measured, e.g. "ML.ENERGY v1" or "Prompt Joules".
        batch_sizes: prompts per batch.
        weights: "pretrained", "dummy" (random weights), or () for both.
        only_valid: leave out rows and runs whose verdict is not valid.
    """

    models: tuple[str, ...] = ()
    gpus: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    engines: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    batch_sizes: tuple[int, ...] = ()
    weights: tuple[str, ...] = DEFAULT_WEIGHTS
    only_valid: bool = True

    def one_prompt_at_a_time(self) -> "Selection":
        """Batch size 1 and task chat, unless the filters choose batch sizes; filters that choose tasks keep them."""
        if self.batch_sizes:
            return self
        return replace(self, tasks=self.tasks or ("chat",), batch_sizes=(1,))

    def with_random_weights(self) -> "Selection":
        """Random weights too, unless the filters choose weights."""
        return replace(self, weights=()) if self.weights == DEFAULT_WEIGHTS else self

    def parameters(self) -> dict[str, object]:
        """The value of `$selection` in a query: a struct of the fields."""
        return {"selection": {name: list(value) if isinstance(value, tuple) else value for name, value in vars(self).items()}}

    def words(self) -> str:
        """The filters as a person would say them, e.g. "GPU A40, task chat, pretrained weights, only valid rows"."""
        parts = [f"{LABELS[key]} {' or '.join(getattr(self, field))}" for key, field in TEXT_FILTERS.items() if getattr(self, field)]
        if self.batch_sizes:
            parts.append(f"batch size {' or '.join(str(size) for size in self.batch_sizes)}")
        kinds: dict[tuple[str, ...], str] = {DEFAULT_WEIGHTS: "pretrained weights", ("dummy",): "random weights"}
        parts.append(kinds.get(self.weights, "pretrained and random weights"))
        parts.append("only valid rows" if self.only_valid else "valid and invalid rows")
        return ", ".join(parts)

    def to_query(self) -> dict[str, str | list[str]]:
        """The URL parameters; only those that differ from the default, so that links stay short."""
        query: dict[str, str | list[str]] = {key: list(getattr(self, field)) for key, field in TEXT_FILTERS.items() if getattr(self, field)}
        if self.batch_sizes:
            query["batch"] = [str(size) for size in self.batch_sizes]
        if self.weights != DEFAULT_WEIGHTS:
            query["weights"] = self.weights[0] if len(self.weights) == 1 else "both"
        if not self.only_valid:
            query["valid"] = "all"
        return query

    @classmethod
    def from_query(cls, query: Mapping[str, Sequence[str]]) -> tuple["Selection", tuple[str, ...]]:
        """Read a link. Never raises: what makes no sense is ignored and said in the notes.

        Args:
            query: URL key → its values; a lone string counts as one value. Keys of no filter are left to the caller.

        Returns:
            The selection, and one sentence for each value that was ignored.
        """
        notes: list[str] = []
        texts = {field: _texts(key, _values(query, key), notes) for key, field in TEXT_FILTERS.items()}
        selection = cls(
            models=texts["models"],
            gpus=texts["gpus"],
            tasks=texts["tasks"],
            engines=texts["engines"],
            sources=texts["sources"],
            batch_sizes=_batches(_values(query, "batch"), notes),
            weights=_weights(_values(query, "weights"), notes),
            only_valid=_only_valid(_values(query, "valid"), notes),
        )
        return selection, tuple(notes)


def _values(query: Mapping[str, Sequence[str]], key: str) -> list[str]:
    values = query.get(key, ())
    return [values] if isinstance(values, str) else list(values)


def _texts(key: str, values: list[str], notes: list[str]) -> tuple[str, ...]:
    kept: list[str] = []
    for value in values:
        if not value or len(value) > LONGEST_VALUE or "\x00" in value:
            notes.append(f"{key} in the link is not a name that can be looked up and was ignored.")
        elif value not in kept:
            kept.append(value)
    return tuple(kept)


def _batches(values: list[str], notes: list[str]) -> tuple[int, ...]:
    kept: list[int] = []
    for value in values:
        if not (value.isascii() and value.isdigit() and len(value) <= 5 and 1 <= int(value) <= LARGEST_BATCH):
            notes.append(f"batch={value[:40]} in the link is not a batch size and was ignored.")
        elif int(value) not in kept:
            kept.append(int(value))
    return tuple(kept)


def _weights(values: list[str], notes: list[str]) -> tuple[str, ...]:
    if not values:
        return DEFAULT_WEIGHTS
    if values == ["both"]:
        return ()
    known = tuple(name for name in KNOWN_WEIGHTS if name in values)
    if len(known) != len(values):
        notes.append("weights in the link must be pretrained, dummy or both; the rest was ignored.")
    if not known:
        return DEFAULT_WEIGHTS
    return () if len(known) == len(KNOWN_WEIGHTS) else known


def _only_valid(values: list[str], notes: list[str]) -> bool:
    if values and values not in (["all"], ["only"]):
        notes.append("valid in the link must be only or all and was ignored.")
    return values != ["all"]
