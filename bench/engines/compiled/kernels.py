"""Which kernels a process compiled: what inductor chose for each, as one hash.

Inductor times candidates and keeps the fastest; timing is luck, so that two processes of one setup may run other kernels and draw another
power. The hash says whether two runs ran the same ones. PyTorch has no public list of them: where it keeps them elsewhere, that is said.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def forget() -> None:
    """Let go of the modules of kernels compiled so far, so that `described` speaks of what comes next. Files on disk stay."""
    from torch._inductor.codecache import PyCodeCache

    PyCodeCache.cache_clear()


def described() -> dict[str, Any] | None:
    """The Triton kernels that ran since `forget`.

    Returns:
        `count` of them and `hash` over their sources and chosen configurations; `reason` where PyTorch does not tell. None where there are
        none: no GPU, a loop without `torch.compile`, nothing run yet.
    """
    try:
        chosen = sorted(set(_chosen()))
    except (ImportError, AttributeError) as error:
        return {"reason": f"this PyTorch keeps its compiled kernels elsewhere: {error}"}
    if not chosen:
        return None
    return {"count": len(chosen), "hash": hashlib.sha256("\n".join(chosen).encode()).hexdigest()[:16]}


def _chosen() -> Iterator[str]:
    """One line a kernel that was launched: the hash of its source, block sizes, warps and stages."""
    from torch._inductor.codecache import PyCodeCache
    from torch._inductor.runtime.triton_heuristics import CachingAutotuner

    for module in PyCodeCache.modules:
        for kernel in vars(module).values():
            if isinstance(kernel, CachingAutotuner) and kernel.launchers:
                config = kernel.launchers[0].config
                blocks = " ".join(f"{name}={value}" for name, value in sorted(config.kwargs.items()))
                yield f"{Path(kernel.filename or '').stem} {blocks} warps={config.num_warps} stages={config.num_stages}"
