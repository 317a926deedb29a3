"""Servers that `bench` starts itself: vLLM, llama.cpp's llama-server, SGLang.

One place that knows, for each of them, the command, the sign of life and how it is told to do what the protocol asks: number
format, one seed, no cache of prefixes (a cached prompt costs no prefill), none of the model's own sampling defaults. Whatever runs
already is `--engine openai`.

Source: vLLM `vllm serve --help` (0.22), llama.cpp `tools/server/README.md`, SGLang `launch_server --help` (0.5).
"""

import contextlib
import ctypes
import importlib.util
import os
import random
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from prompt_joules.bench import errors
from prompt_joules.bench.config import RunConfig

_LAST_LINES = 12
PORTS = range(20_000, 30_000)
"""Where started servers listen: below the ports that systems give out by themselves."""
_PR_SET_PDEATHSIG = 1
"""Of Linux's prctl.h."""
_PATIENCE_S = 20.0
"""How long a server may take to end after it was asked to."""
_PART = re.compile(r"(.+)-(\d{5})-of-(\d{5})\.gguf")
"""A file of weights that are split over several, as `llama-gguf-split` names it."""
_NOISE = re.compile(r"--load-format[ =]noise\b")
"""How vLLM is asked for the weights of `vllm_noise.py`, which cannot be imported where vLLM is missing."""
_DYING_S = 5.0
"""How long a server that no longer answers may take to end by itself; after that it counts as running."""


@dataclass(frozen=True)
class Runtime:
    """How one kind of server is started."""

    name: str  # value of `--engine`
    find: Callable[[RunConfig], list[str] | None]  # the beginning of its command, or None where it is not installed
    options: Callable[[RunConfig, str], list[str]]  # what the protocol asks of it, given the run and the name under which it is to serve
    install: str  # what to type where it is missing


@dataclass(frozen=True)
class Started:
    """A server that answers."""

    base_url: str  # of its OpenAI-compatible API
    name: str  # under which it serves the model
    options: tuple[str, ...]  # its options as given, without paths: they are stored with the rows
    log: Path  # what it has printed so far


def _module(name: str, *words: str) -> Callable[[RunConfig], list[str] | None]:
    return lambda _: [sys.executable, "-m", *words] if importlib.util.find_spec(name) else None


def _program(name: str) -> Callable[[RunConfig], list[str] | None]:
    return lambda _: [found] if (found := shutil.which(name)) else None


def _vllm_or_noise(config: RunConfig) -> list[str] | None:
    """vLLM's command; where --server-args ask for weights of the format `noise`, the one that knows it."""
    asked = _NOISE.search(" ".join(shlex.split(config.server_args)))
    return _module("vllm", "prompt_joules.bench.engines.vllm_noise" if asked else "vllm.entrypoints.cli.main", "serve")(config)


def served_dtype(config: RunConfig) -> str:
    """The number format that a server is told to use: float16 unless another is asked for, as everywhere in the protocol."""
    return "float16" if config.dtype == "auto" else config.dtype


def _vllm(config: RunConfig, name: str) -> list[str]:
    words = [config.model, "--served-model-name", name, "--dtype", served_dtype(config), "--seed", str(config.seed)]
    words += ["--no-enable-prefix-caching", "--generation-config", "vllm", "--max-num-seqs", str(config.most_in_flight)]
    return [*words, "--load-format", "dummy"] if config.dummy_weights else words


def _sglang(config: RunConfig, name: str) -> list[str]:
    words = ["--model-path", config.model, "--served-model-name", name, "--dtype", served_dtype(config), "--random-seed", str(config.seed)]
    words += ["--disable-radix-cache", "--sampling-defaults", "openai", "--enable-metrics"]
    words += ["--max-running-requests", str(config.most_in_flight)]
    return [*words, "--load-format", "dummy"] if config.dummy_weights else words


def _llama_cpp(config: RunConfig, name: str) -> list[str]:
    """Without `--cache-ram 0` it copies each answer's keys and values from the GPU into the host's memory, though no prompt is reused."""
    slots = config.most_in_flight
    words = ["--model", str(gguf_of(config)), "--alias", name, "--parallel", str(slots), "--ctx-size", str(slots * config.context_tokens)]
    return [*words, "--n-gpu-layers", "999", "--metrics", "--no-cache-prompt", "--cache-ram", "0", "--seed", str(config.seed)]


RUNTIMES = {
    runtime.name: runtime
    for runtime in (
        Runtime("vllm", _vllm_or_noise, _vllm, "pip install vllm"),
        Runtime("sglang", _module("sglang", "sglang.launch_server"), _sglang, "pip install 'sglang[all]'"),
        Runtime(
            "llama.cpp",
            _program("llama-server"),
            _llama_cpp,
            "build llama-server (https://github.com/ggml-org/llama.cpp/blob/master/docs/build.md) and put it on the PATH",
        ),
    )
}


def gguf_of(config: RunConfig) -> Path:
    """The GGUF file of the run. Raises BadOption: there is none, or several and none was named."""
    path = Path(config.model)
    is_file, of_folder = path.suffix == ".gguf", config.gguf_file or "auto"
    if is_file or of_folder != "auto":
        named = path if is_file else path / of_folder
        if not named.is_file():
            raise errors.BadOption("--model" if is_file else "--gguf-file", f"there is no file {named}.")
        return named
    found = [one for one in sorted(path.glob("*.gguf")) if not _is_later_part(one)]
    if len(found) != 1:
        raise errors.BadOption("--model", f"{path} holds {len(found)} GGUF files; name one with --gguf-file.")
    return found[0]


def _is_later_part(path: Path) -> bool:
    part = _PART.fullmatch(path.name)
    return part is not None and int(part[2]) > 1


def other_parts(path: Path) -> list[Path]:
    """The other files of weights that are split over several; the first names them all to llama.cpp."""
    part = _PART.fullmatch(path.name)
    numbers = range(1, int(part[3]) + 1) if part else ()
    return [path.with_name(f"{part[1]}-{number:05d}-of-{part[3]}.gguf") for number in numbers if part and number != int(part[2])]


def short_name(model: str) -> str:
    """What a server calls the model: the last part of a path, without the number of a part; a hub id as it is."""
    path = Path(model)
    if part := _PART.fullmatch(path.name):
        return part[1]
    return path.stem if path.suffix == ".gguf" else path.name if path.is_absolute() or path.exists() else model


@contextlib.contextmanager
def started(config: RunConfig, say: Callable[[str], None]) -> Iterator[Started]:
    """Start the server of `--engine`, wait until it answers, and stop it at the end, however that comes.

    Raises:
        MissingRuntime: it is not installed; the sentence says how to get it.
        BadOption: the command of --server-command cannot be started, or there is no such GGUF file.
        ServerDidNotStart: it ended, or did not answer within `--start-timeout`; with the last lines that it printed.
        ServerDied: it ended while it was used; with the same.
    """
    runtime = RUNTIMES[config.engine]
    beginning = shlex.split(config.server_command) if config.server_command else runtime.find(config)
    if not beginning:
        raise errors.MissingRuntime(runtime.name, runtime.install)
    name, port = short_name(config.model), _free_port()
    options = [*runtime.options(config, name), *shlex.split(config.server_args)]
    with tempfile.TemporaryDirectory(prefix="prompt-joules-server-") as folder:
        log = Path(folder) / "log"
        say(f"Starting {runtime.name} ...")
        with log.open("wb") as file:
            process = _launch([*beginning, *options, "--host", "127.0.0.1", "--port", str(port)], file.fileno(), config)
        try:
            url = f"http://127.0.0.1:{port}"
            seconds = _wait(process, f"{url}/health", config.start_timeout, runtime.name, log)
            say(f"{runtime.name} answers after {seconds:.0f} s.")
            yield Started(f"{url}/v1", name, tuple(_without_paths(options)), log)
        except (errors.ServerLost, errors.ServerDown, errors.ServerRefused) as error:
            with contextlib.suppress(subprocess.TimeoutExpired):
                raise errors.ServerDied(runtime.name, process.wait(_DYING_S), last_lines(log)) from error
            raise
        finally:
            _end(process)


def _launch(command: list[str], output: int, config: RunConfig) -> "subprocess.Popen[bytes]":
    """Start the server in a session of its own; on Linux it is asked to end when this process is killed, else it would keep the GPU."""
    try:
        return subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_ends_with_us(),  # noqa: PLW1509  one call into libc, looked up before, takes no lock of Python's threads
        )
    except OSError as error:
        if config.server_command:
            raise errors.BadOption("--server-command", f"{command[0]} cannot be started: {error.strerror}.") from error
        raise errors.MissingRuntime(config.engine, RUNTIMES[config.engine].install) from error


def _ends_with_us() -> Callable[[], None] | None:
    """What a child does before it becomes the server: ask Linux for SIGTERM at the death of its parent. None elsewhere."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl  # looked up here: after the fork only the call itself is safe
    return lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGTERM) and None


def _free_port() -> int:
    """A free port that leaves room above it: SGLang listens at its port + 10,000 too and ends where that is above 65,535."""
    for port in random.sample(PORTS, len(PORTS)):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise errors.BadOption("--engine", f"no port from {PORTS.start} to {PORTS.stop - 1} is free.")


def _wait(process: "subprocess.Popen[bytes]", url: str, timeout_s: float, name: str, log: Path) -> float:
    """Seconds until the server said that it is well. Raises ServerDidNotStart."""
    begun_s = time.monotonic()
    with httpx.Client(trust_env=False, timeout=5.0) as client:
        while (waited_s := time.monotonic() - begun_s) < timeout_s:
            if process.poll() is not None:
                raise errors.ServerDidNotStart(name, f"it ended with status {process.returncode}", last_lines(log))
            with contextlib.suppress(httpx.HTTPError):
                if client.get(url).status_code == httpx.codes.OK:
                    return waited_s
            time.sleep(0.25)
    raise errors.ServerDidNotStart(name, f"it did not answer within {timeout_s:g} s (--start-timeout)", last_lines(log))


def last_lines(log: Path) -> str:
    """The end of what a server printed."""
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LAST_LINES:])


def _without_paths(options: list[str]) -> list[str]:
    return [Path(word).name if os.sep in word and Path(word).exists() else word for word in options]


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Ask the server and every process that it started to end; kill them if they do not."""
    for number in (signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)):
        with contextlib.suppress(ProcessLookupError):
            if hasattr(os, "killpg"):
                os.killpg(process.pid, number)
            else:  # Windows, where it ends at once
                process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_PATIENCE_S)
            if number == signal.SIGTERM:
                continue  # whatever it started may still hold the GPU
