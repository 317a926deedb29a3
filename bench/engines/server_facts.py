"""What a server says about itself and its work: version, options, its own counters.

Source: vLLM `/version`, `/metrics` (docs/usage/metrics), llama.cpp `/props`, SGLang `/get_server_info`; Prometheus text format.
"""

import asyncio
import contextlib
import itertools
import json
import math
import re
import shlex
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from prompt_joules.bench.config import RunConfig
from prompt_joules.bench.engines.answer_stream import RequestFailed, words
from prompt_joules.bench.engines.servers import gguf_of, other_parts, served_dtype
from prompt_joules.bench.engines.weights import kernels_of, number_format

GAUGES = {
    "running": ("vllm:num_requests_running", "sglang:num_running_reqs", "llamacpp:requests_processing"),
    "waiting": ("vllm:num_requests_waiting", "sglang:num_queue_reqs", "llamacpp:requests_deferred"),
    "kv_cache_use": ("vllm:kv_cache_usage_perc", "sglang:token_usage"),
}
COUNTERS = {
    "prompt_tokens": ("vllm:prompt_tokens", "sglang:prompt_tokens", "llamacpp:prompt_tokens"),
    "generation_tokens": ("vllm:generation_tokens", "sglang:generation_tokens", "llamacpp:tokens_predicted"),
    "preemptions": ("vllm:num_preemptions",),
    "prefix_cache_queries": ("vllm:prefix_cache_queries",),
    "prefix_cache_hits": ("vllm:prefix_cache_hits", "sglang:cached_tokens"),
}
SAMPLED_S = 1.0
VERSIONS = (("../version", "version"), ("../info", "version"), ("../server_info", "version"), ("../props", "build_info"))
"""Where a server says its version, and under which name: vLLM, TGI, SGLang, llama.cpp."""
_OWNERS = {"vllm": "vllm", "sglang": "sglang", "llamacpp": "llama.cpp"}
_CONNECT_S = 10.0
_SAID = {
    "attention_backend": re.compile(
        r"[Uu]sing ([A-Z][A-Z0-9_]+) attention backend|attention_backend='?(\w+)"
        r"|(Flash Attention not supported)|(Flash Attention) (?:was auto, set to )?enabled"
    ),
    "kv_cache_tokens": re.compile(r"KV cache size: ([\d,]+) tokens|max_total_num_tokens=(\d+)"),
}
"""What is read out of a server's log. The wording differs between versions, so each may be missing; llama.cpp says most at `-lv 4` only."""
_CELLS = re.compile(r"\( *(\d+) cells, +\d+ layers, +\d+/(\d+) seqs\)")
"""llama.cpp's caches of keys and values: places of each sequence, and how many sequences have places of their own."""


@dataclass(frozen=True)
class ServerFacts:
    """What a server says of itself; what it does not say is empty or None."""

    models: tuple[str, ...]  # those it lists
    version: str | None  # its name and version
    answered_as: str | None = None  # what it called the model of its first answer
    owner: str | None = None  # the owner of the model in the server's list of models: with vLLM "vllm", with llama.cpp "llamacpp", ..
    fingerprint: str | None = None  # of the build or setup that gave the first answer

    def other_model(self, asked: str) -> str | None:
        """The model that answered, if it is not the one asked for. A path and its last part are one name; `@revision` does not count."""
        if self.answered_as is None:
            return None
        names = {self.answered_as, self.answered_as.split("@")[0]}
        names |= {name.rstrip("/").rsplit("/", 1)[-1] for name in names}
        return None if {asked, asked.rstrip("/").rsplit("/", 1)[-1]} & names else self.answered_as


def dialect_of(owner: str | None) -> str | None:
    """The server whose extensions are understood, by who owns its models; None where only OpenAI's own fields are safe."""
    return _OWNERS.get(owner or "")


async def describe(client: httpx.AsyncClient) -> ServerFacts:
    """Ask a server for its models and its version; what it does not say is left out. Raises RequestFailed: it is not there."""
    try:
        listed = await _get(client, "models")
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise RequestFailed(f"no connection: {words(error)}", unreachable=True) from error
    data = listed.get("data")
    models = [entry for entry in data if isinstance(entry, dict)] if isinstance(data, list) else []
    owner = next((str(entry["owned_by"]) for entry in models if entry.get("owned_by")), None)
    version = None
    for path, key in VERSIONS:
        version = version or (await _get(client, path)).get(key)
    version = version if isinstance(version, str) else None
    named = " ".join(str(part) for part in (owner, version) if part)
    return ServerFacts(tuple(str(entry["id"]) for entry in models if "id" in entry), named if version else None, owner=owner)


async def _get(client: httpx.AsyncClient, path: str) -> dict[str, Any]:
    """A JSON object, or {} if the server has none there. Raises httpx.ConnectError, httpx.ConnectTimeout."""
    try:
        response = await client.get(path, timeout=_CONNECT_S)
        content = response.json() if response.status_code == httpx.codes.OK else {}
    except (httpx.ConnectError, httpx.ConnectTimeout):
        raise
    except (httpx.HTTPError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def from_log(log: Path) -> dict[str, Any]:
    """Attention backend and room of the KV cache (tokens), as far as the server printed them."""
    text = log.read_text(encoding="utf-8", errors="replace")
    found = {name: pattern.search(text) for name, pattern in _SAID.items()}
    said = {name: next(filter(None, match.groups())) for name, match in found.items() if match}
    if cells := _CELLS.search(text):
        said.setdefault("kv_cache_tokens", str(int(cells[1]) * int(cells[2])))
    return {name: int(value.replace(",", "")) if name == "kv_cache_tokens" else value for name, value in said.items()}


@dataclass
class Metrics:
    """A server's own figures over one session: of gauges the mean and the largest value, of counters the increase.

    Args:
        client: its base URL is that of the API; `/metrics` is one level above it.
        full: whether as many requests are in flight at the moment as the run wants.
    """

    client: httpx.AsyncClient
    full: Callable[[], bool] = lambda: False
    first: dict[str, float] = field(default_factory=dict)
    last: dict[str, float] = field(default_factory=dict)
    seen: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    running_when_full: list[float] = field(default_factory=list)

    @contextlib.asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Read where the counters stand before and after the block, and sample the gauges in it. After it nothing asks the client."""
        self.first = await self._read()
        watching = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching
            with contextlib.suppress(asyncio.CancelledError):
                self.last = await self._read() if self.first else {}

    async def _watch(self) -> None:
        """Sample the gauges every second until cancelled; a server without `/metrics` is not asked again."""
        while self.first:
            await asyncio.sleep(SAMPLED_S)
            full = self.full()
            values = await self._read()
            for name in GAUGES.keys() & values.keys():
                self.seen[name].append(values[name])
            if full and self.full() and "running" in values:
                self.running_when_full.append(values["running"])

    def summary(self) -> dict[str, Any]:
        """JSON values; {} for a server without metrics."""
        grown = {name: self.last[name] - self.first[name] for name in COUNTERS if name in self.first and name in self.last}
        gauges = {name: {"mean": sum(values) / len(values), "most": max(values)} for name, values in self.seen.items() if values}
        while_full = self.running_when_full
        return grown | gauges | ({"running_when_full": sum(while_full) / len(while_full)} if while_full else {})

    async def _read(self) -> dict[str, float]:
        with contextlib.suppress(httpx.HTTPError, ValueError):
            response = await self.client.get("../metrics", timeout=5.0)
            if response.status_code == httpx.codes.OK:
                return parse(response.text)
        return {}


def parse(text: str) -> dict[str, float]:
    """The figures we keep, out of Prometheus' text format; several series of one name (engines, models) are summed. Raises ValueError."""
    values: dict[str, float] = {}
    named = {series: name for table in (GAUGES, COUNTERS) for name, all_series in table.items() for series in all_series}
    ours = tuple(named)  # the others are left out first: parsing 900 lines, as vLLM has, kept the thread that reads answers for 13 ms
    text = "".join(line for line in text.splitlines(keepends=True) if line.removeprefix("# TYPE ").startswith(ours))
    for family in text_string_to_metric_families(text):
        name = named.get(family.name.removesuffix("_total"))
        if name is not None:
            kept = [sample.value for sample in family.samples if not sample.name.endswith("_created")]
            values[name] = values.get(name, 0.0) + sum(kept)
    return values


PLAIN = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}
"""Formats of GGUF files that are not quantised, as they are called here."""
# Errors of readers on damaged or newer files. The server read the file, so such an error only leaves the fact unknown.
UNKNOWN = (OSError, ValueError, LookupError, TypeError, AttributeError, OverflowError, MemoryError)


def weights_of(config: RunConfig) -> dict[str, Any]:
    """Number format, source and count of the weights that a started server was given, as far as the files say.

    Returns:
        `dtype`, and where known `weights_format` and `params_total_b` (1e9).
    """
    if config.engine == "llama.cpp":
        return gguf_facts(gguf_of(config))
    method, own = quantised_on_loading(config.server_args), checkpoint_quantisation(Path(config.model))
    kernels = kernels_of(own) if own is not None else f"{method} kernels"
    dtype = number_format(own) if own is not None else method or served_dtype(config)
    if config.dummy_weights:
        form = "random" if method is None and own is None else f"random, {kernels}"
        return {"dtype": dtype, "weights_format": form, **shape_facts(config.model)}
    if own is not None:
        return {"dtype": dtype, "weights_format": kernels, **shape_facts(config.model)}
    count = safetensors_params(Path(config.model))
    format_ = {} if count is None else {"weights_format": "safetensors", "params_total_b": count / 1e9, "params_active_b": None}
    if method is None:
        return {"dtype": dtype, **format_}
    return {"dtype": dtype, **format_, "weights_format": f"{format_.get('weights_format', 'weights')}, {kernels}"}


def quantised_on_loading(server_args: str) -> str | None:
    """The format to which `--server-args` make the server quantise the weights that it loads, e.g. `fp8`; None where they say nothing."""
    words = [part for word in shlex.split(server_args) for part in (word.split("=", 1) if word.startswith("-") else [word])]
    for option, value in itertools.pairwise(words):
        if option in {"--quantization", "-q"}:
            return None if value.lower() == "none" else value.lower()
    return None


def checkpoint_quantisation(folder: Path) -> dict[str, Any] | None:
    """The `quantization_config` of a folder's config.json; None where the weights are plain or there is no such file."""
    try:
        found = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("quantization_config")
    except (OSError, ValueError, AttributeError):
        return None
    return found if isinstance(found, dict) and found else None


def shape_facts(model: str) -> dict[str, Any]:
    """Parameters of an architecture without its weights; {} where torch and transformers are not installed or do not know it."""
    try:
        import torch
        from transformers import AutoConfig, AutoModelForCausalLM

        from prompt_joules.bench.engines.loading import parameters_b

        with torch.device("meta"):
            total, active = parameters_b(AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(model)))
    except (ImportError, OSError, ValueError):
        return {}
    return {"params_total_b": total, "params_active_b": active}


def gguf_facts(path: Path) -> dict[str, Any]:
    """The facts of a GGUF file, whose kernels work on the quantised weights themselves. What our reader does not know is left out.

    Formats of 16 and 32 bits are called as everywhere. Of a file that names a mixture (Q4_K_M), or whose name and weights are not one, the
    column of the format says in what most of the weights are. Weights split over several files are all counted.
    """
    from gguf import GGUFReader

    name, most, counted = "unknown", "unknown", {}
    with contextlib.suppress(*UNKNOWN):
        reader = GGUFReader(path)
        sizes: Counter[str] = Counter()
        for tensor in itertools.chain(reader.tensors, *(GGUFReader(other).tensors for other in other_parts(path))):
            sizes[tensor.tensor_type.name] += int(tensor.n_elements)
        counted = {"params_total_b": sizes.total() / 1e9, "params_active_b": None}
        name = most = sizes.most_common(1)[0][0] if sizes else most
        said = _said_file_type(reader)
        name = said if said and not {said, most} & PLAIN.keys() else most
    form = f"gguf:{name} kernels" if name.startswith(most) else f"gguf:{name} kernels, mostly {most}"
    return {"dtype": PLAIN.get(name, name), "weights_format": form, **counted}


def _said_file_type(reader: Any) -> str | None:
    """What a GGUF file says of all its weights, e.g. "Q4_K_M"; None where it says nothing, or that it guessed."""
    from gguf.constants import LlamaFileType

    kind = reader.get_field("general.file_type")
    with contextlib.suppress(ValueError):
        found = None if kind is None else LlamaFileType(int(kind.contents()))
        return None if found in (None, LlamaFileType.GUESSED) else found.name.removeprefix("MOSTLY_").removeprefix("ALL_")
    return None


def safetensors_params(folder: Path) -> int | None:
    """Parameters in the safetensors files of a folder, by their headers; None where there are none, or weights are packed (quantised)
    or cannot be read."""
    total = 0
    with contextlib.suppress(*UNKNOWN):
        for path in sorted(folder.glob("*.safetensors")):
            with path.open("rb") as file:
                header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
            for name, tensor in header.items():
                if name != "__metadata__":
                    if not tensor["dtype"].startswith(("F", "BF")):
                        return None
                    total += math.prod(tensor["shape"])
        return total or None
    return None
