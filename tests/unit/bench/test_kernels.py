"""Compiled kernels have a name in the rows: equal for equal choices, another for another choice."""

from types import ModuleType
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs the bench extra: make test installs it")

from prompt_joules.bench.engines.compiled import kernels


class Config:
    def __init__(self, warps: int, **blocks: int) -> None:
        self.kwargs, self.num_warps, self.num_stages = blocks, warps, 1


class Kernel:
    """What inductor leaves in a module's names; a real one needs a GPU."""

    def __init__(self, source: str, *configs: Config) -> None:
        self.filename = f"/cache/ab/{source}.py"
        self.launchers = [type("Launcher", (), {"config": config}) for config in configs]


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Inductor's list of modules, empty. It is imported here: every process of pytest-xdist would load the compiler while it collects."""
    from torch._inductor.codecache import PyCodeCache
    from torch._inductor.runtime import triton_heuristics

    monkeypatch.setattr(PyCodeCache, "modules", [])
    monkeypatch.setattr(triton_heuristics, "CachingAutotuner", Kernel)
    return PyCodeCache


def module(**names: Any) -> ModuleType:
    made = ModuleType("made")
    vars(made).update(names)
    return made


def test_equal_choices_have_one_hash_whatever_the_order_of_modules(cache: Any) -> None:
    a, b = Kernel("a", Config(8, XBLOCK=2, R0_BLOCK=256)), Kernel("b", Config(4, XBLOCK=1))
    cache.modules += [module(first=a, number=3), module(second=b)]
    once = kernels.described()
    cache.modules.reverse()
    cache.modules.append(module(again=Kernel("a", Config(8, R0_BLOCK=256, XBLOCK=2))))
    assert once is not None and once["count"] == 2
    assert kernels.described() == once


@pytest.mark.parametrize("other", [Kernel("a", Config(4, XBLOCK=2)), Kernel("a", Config(8, XBLOCK=4)), Kernel("c", Config(8, XBLOCK=2))])
def test_another_choice_has_another_hash(cache: Any, other: Kernel) -> None:
    cache.modules = [module(kernel=Kernel("a", Config(8, XBLOCK=2)))]
    one = kernels.described()
    cache.modules = [module(kernel=other)]
    assert one is not None and (now := kernels.described()) is not None and now["hash"] != one["hash"]


def test_what_never_ran_and_what_was_forgotten_counts_for_nothing(cache: Any) -> None:
    cache.modules.append(module(kernel=Kernel("a")))
    assert kernels.described() is None
    cache.modules.append(module(kernel=Kernel("b", Config(8, XBLOCK=2))))
    assert kernels.described() is not None
    kernels.forget()
    assert kernels.described() is None


def test_a_pytorch_that_keeps_them_elsewhere_is_said(cache: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(cache, "modules")
    assert "keeps its compiled kernels elsewhere" in str(kernels.described())
