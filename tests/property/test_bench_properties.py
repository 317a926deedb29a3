"""What must always hold on the measuring side, whatever the rows, prompts and seeds."""

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch", reason="needs the bench extra: make test installs it")

from prompt_joules.bench import record
from prompt_joules.bench.engines.base import Generation
from prompt_joules.bench.prompts.sets import Prompt, PromptSet
from prompt_joules.bench.run.job import execution_order
from prompt_joules.bench.run.sink import to_frame
from prompt_joules.bench.run.warmup import is_steady
from prompt_joules.bench.run.window import energy_shares, loop_share, prompt_seed

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "int16": st.integers(-(2**15), 2**15 - 1),
    "int32": st.integers(-(2**31), 2**31 - 1),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "float32": st.floats(width=32, allow_nan=False),
    "float64": st.floats(allow_nan=False),
    "string": st.text(),
    "bool": st.booleans(),
    "timestamp[us, UTC]": st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC)),
    "list<float32>": st.lists(st.floats(width=32, allow_nan=False), max_size=5),
}
ROWS = st.fixed_dictionaries({column.name: st.none() | VALUES[column.type] for column in record.COLUMNS})
IDS = st.lists(st.text(max_size=5), unique=True, min_size=1, max_size=12)


@given(st.lists(ROWS, min_size=1, max_size=3))
def test_a_row_survives_parquet_unchanged(tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]) -> None:
    path = tmp_path_factory.getbasetemp() / "row.parquet"
    to_frame(rows).write_parquet(path)
    assert pl.read_parquet(path).to_dicts() == rows


@given(IDS, st.integers(1, 3), st.integers(0, 2**40))
def test_order_has_every_answer_once_and_depends_on_no_other_prompt(ids: list[str], repetitions: int, seed: int) -> None:
    def order(of: list[str]) -> list[tuple[str, int]]:
        prompts = PromptSet("set", "", tuple(Prompt(name, "") for name in of))
        return [(prompt.id, repetition) for prompt, repetition in execution_order(prompts, repetitions, seed)]

    assert sorted(order(ids)) == sorted((name, repetition) for name in ids for repetition in range(repetitions))
    assert order(ids[::-1]) == order(ids)
    assert order(ids[1:]) == [item for item in order(ids) if item[0] != ids[0]]


@given(st.integers(0, 2**62), IDS)
def test_seeds_are_apart_and_fit_torch(seed: int, ids: list[str]) -> None:
    seeds = [prompt_seed(seed, name, repetition) for name in ids for repetition in range(2)]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= value < 2**63 for value in seeds)


def test_seed_of_a_prompt_never_changes() -> None:
    assert prompt_seed(0, "tea", 0) == 2695069588010910469


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(1, 500)), min_size=1, max_size=6))
def test_shares_of_a_window_add_up_and_longer_answers_get_no_less(batch: list[tuple[int, int]]) -> None:
    answers = [Generation((0,) * tokens, tuple(0.1 * (n + 1) for n in range(tokens)), "length") for tokens, _ in batch]
    shares = energy_shares(answers, [100] * len(batch), 0.0, 0.1 * max(tokens for tokens, _ in batch))
    assert sum(shares) == pytest.approx(1)
    for (tokens, _), share in zip(batch, shares, strict=True):
        assert all(share >= other - 1e-9 for (fewer, _), other in zip(batch, shares, strict=True) if fewer <= tokens)


@given(st.lists(st.tuples(st.integers(1, 12), st.integers(1, 500)), min_size=1, max_size=6), st.data())
def test_shares_add_up_to_1_and_equal_requests_get_equal_shares(batch: list[tuple[int, int]], data: st.DataObject) -> None:
    """Whatever the lengths, prompts and times of the steps; a request that stands in the batch twice pays twice the same."""
    twin = data.draw(st.integers(0, len(batch) - 1))
    batch = [*batch, batch[twin]]
    longest = max(tokens for tokens, _ in batch)
    gaps_s = data.draw(st.lists(st.floats(1e-4, 5), min_size=longest, max_size=longest))
    stamps_s = tuple(sum(gaps_s[: step + 1]) for step in range(longest))
    answers = [Generation((0,) * tokens, stamps_s[:tokens], "length") for tokens, _ in batch]
    shares = energy_shares(answers, [prompt for _, prompt in batch], 0.0, stamps_s[-1])
    assert sum(shares) == pytest.approx(1)
    assert shares[-1] == pytest.approx(shares[twin])
    assert all(share > 0 for share in shares)


@given(st.lists(st.floats(0.1, 1000), max_size=6), st.integers(0, 6))
def test_steady_is_two_answers_that_agree_after_three(costs: list[float], answers: int) -> None:
    last = costs[-2:]
    if is_steady(costs, answers):
        assert answers >= 3 and len(last) == 2 and max(last) <= 1.031 * min(last)
    elif answers >= 3 and len(last) == 2:
        assert max(last) > 1.029 * min(last)


@given(st.lists(st.integers(0, 3), max_size=60))
def test_a_loop_is_a_share_and_what_never_comes_thrice_is_none(tokens: list[int]) -> None:
    share = loop_share(tokens)
    if len(tokens) < 6:
        assert share is None
    else:
        assert share is not None and 0 <= share <= 1
        pieces = [tuple(tokens[n : n + 6]) for n in range(len(tokens) - 5)]
        assert (share == 0) == (max(pieces.count(piece) for piece in pieces) < 3)
    assert loop_share([*range(100), *[7, 8, 9] * 30]) == pytest.approx(90 / 190, abs=0.02)
