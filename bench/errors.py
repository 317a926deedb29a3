"""What can go wrong on the measuring side, in one sentence each, with what to do next.

Raised where the fault is found; `bench/__main__.py` prints the sentence and leaves with status 2.
"""

import contextlib
import errno
from collections.abc import Iterable, Iterator
from pathlib import Path

from prompt_joules.bench import extras


class BenchError(Exception):
    """Anything the person who ran the command can put right. `str(error)` is the whole message."""


class NoCommand(BenchError):
    """A command that there is not."""


class UnknownTask(BenchError):
    """A task name that `bench/tasks.py` does not list."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(f"There is no task {name!r}. Choose from: {', '.join(known)}.")


class BadOption(BenchError):
    """An option whose value cannot be used."""

    def __init__(self, option: str, why: str) -> None:
        super().__init__(f"{option}: {why}")


class NoPrompts(BenchError):
    """A prompt set with nothing in it."""

    def __init__(self, source: str) -> None:
        super().__init__(f"{source} holds no prompts. Give --prompts default, or a JSONL file of {{id, prompt}}.")


class NoSuchFolder(BenchError):
    """`--model` is a path, and nothing is there."""

    def __init__(self, model: str) -> None:
        super().__init__(
            f"There is no folder {model!r}. Give --model a folder with a model's files, or a model's id on the Hugging Face hub, "
            "such as HuggingFaceTB/SmolLM2-135M-Instruct."
        )


class ModelNotFound(BenchError):
    """Neither a folder nor a model id that can be had."""

    def __init__(self, model: str, detail: str = "") -> None:
        more = f" ({detail})" if detail else ""
        super().__init__(
            f"The model {model!r} is not a folder here and could not be had from the Hugging Face hub{more}. "
            "Check the spelling of --model, or fetch the small test model with `make models/smollm2-135m/.done`."
        )


class ModelUnreadable(BenchError):
    """The model is there and cannot be loaded."""

    def __init__(self, model: str, detail: str) -> None:
        super().__init__(f"The model {model!r} cannot be loaded: {detail}. Fetch its files again.")


class OwnCode(BenchError):
    """A model that comes with code of its own, which nobody here has read."""

    def __init__(self, model: str) -> None:
        super().__init__(
            f"The model {model!r} brings code of its own (`auto_map` in its config.json), which is not run here. "
            "Start a server that runs it, and measure that with --engine openai --base-url URL."
        )


class ModelNeedsPackage(BenchError):
    """A quantised checkpoint, or code of the model's own, needs a package that is not installed; the library says which."""

    def __init__(self, model: str, detail: str) -> None:
        super().__init__(f"The model {model!r} needs a package that is not installed: {detail}. Install it and run the command again.")


class NoGguf(BenchError):
    """`--gguf-file auto` in a folder that has none, or more than one, or a name that is not there."""

    def __init__(self, folder: str, why: str) -> None:
        super().__init__(f"{why} in {folder!r}. Name the file with --gguf-file.")


class TokenizerMissing(BenchError):
    """Weights without a tokenizer."""

    def __init__(self, model: str, detail: str) -> None:
        super().__init__(
            f"The model {model!r} has no tokenizer that can be loaded ({detail}). "
            "Put its tokenizer files (tokenizer.json, tokenizer_config.json) beside the weights."
        )


class NoGpu(BenchError):
    """`--device cuda` on a machine where torch sees none."""

    def __init__(self) -> None:
        super().__init__("There is no CUDA GPU that torch can use. Leave out --device, or give --device cpu.")


class GpuLost(BenchError):
    """A fault after which the CUDA context cannot be used again in this process."""

    def __init__(self, prompt_id: str, detail: str) -> None:
        super().__init__(
            f"The GPU failed on prompt {prompt_id!r} and this process cannot use it any more: {detail}. The prompt is "
            "recorded as failed and all rows so far are written: run the same command again to go on with the next prompt."
        )


class WarmUpFailed(BenchError):
    """The device broke before the first window."""

    def __init__(self, detail: str) -> None:
        super().__init__(f"The GPU failed before the first prompt: {detail}. Nothing was measured; run the same command again.")


class ModelTooBig(BenchError):
    """The weights do not fit the device."""

    def __init__(self, model: str, device: str, dtype: str) -> None:
        smaller = "Choose a smaller one" + (" or --dtype float16." if dtype == "float32" else ".")
        super().__init__(f"The model {model!r} in {dtype} does not fit the memory of {device}. {smaller}")


class EngineUnsuited(BenchError):
    """The engine cannot run this kind of model."""

    def __init__(self, model: str, detail: str) -> None:
        super().__init__(f"The model {model!r} cannot be measured with this engine: {detail}.")


class MissingRuntime(BenchError):
    """A server that is to be started is not installed."""

    def __init__(self, name: str, install: str) -> None:
        super().__init__(f"{name} is not installed here: {install}. Or name its command with --server-command.")


class ServerDidNotStart(BenchError):
    """A server that was started ended or never answered."""

    def __init__(self, name: str, detail: str, said: str) -> None:
        super().__init__(f"{name} did not start: {detail}. Its last words:\n{said}")


class CannotTune(BenchError):
    """No loop could be chosen."""

    def __init__(self, detail: str) -> None:
        super().__init__(f"--tune found no loop to run: {detail}.")


class ServerDown(BenchError):
    """No server answers at `--base-url`."""

    def __init__(self, base_url: str, detail: str) -> None:
        super().__init__(f"No server answers at {base_url} ({detail}). Start it, or correct --base-url. Nothing was measured.")


class ServerRefused(BenchError):
    """The server is there and does not answer a first, one-token request."""

    def __init__(self, model: str, detail: str, models: Iterable[str] = ()) -> None:
        listed = ", ".join(models)
        more = f" The models it lists: {listed}." if listed else ""
        super().__init__(
            f"The server refuses a first request for model {model!r}: {detail.rstrip('.')}.{more} Correct --model or the option."
        )


class ServerLost(BenchError):
    """The server went away in the middle of a run."""

    def __init__(self, base_url: str, detail: str) -> None:
        super().__init__(
            f"The server at {base_url} does not answer any more ({detail}). All rows so far are written: start it and run the "
            "same command again to go on."
        )


class ServerDied(BenchError):
    """A server that was started ended before its run did."""

    def __init__(self, name: str, status: int, said: str) -> None:
        super().__init__(
            f"{name} ended with status {status} in the middle of its work. All rows so far are written: run the same command again to "
            f"go on. Its last words:\n{said}"
        )


class MissingPackage(BenchError):
    """A package of an extra is not installed."""

    def __init__(self, package: str, extra: str = "bench") -> None:
        super().__init__(f"The package {package} is not installed. Run: {extras.install(extra)}")


class NotWritable(BenchError):
    """The results folder cannot be written."""

    def __init__(self, folder: Path, detail: str) -> None:
        super().__init__(f"Cannot write to {str(folder)!r}: {detail}. Choose another folder with --out.")


class DiskFull(BenchError):
    """No room for the next part."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"The disk of {str(folder)!r} is full: the rows since the last part could not be written. "
            "Make room and run the same command again; it goes on after the last whole part."
        )


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """A block that writes into a folder. Raises DiskFull, NotWritable."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(folder) from error
        raise NotWritable(folder, error.strerror or str(error)) from error


class RunInUse(BenchError):
    """Another process writes the same run."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"Another process is at work on this run in {str(folder)!r}. Wait for it, or give another --seed (a repetition of it) or "
            "another --out."
        )


class RunGone(BenchError):
    """The run that another goes on from is not beside it."""

    def __init__(self, folder: Path, gone: Path) -> None:
        super().__init__(
            f"{folder} asks what another run lacks, and {gone} is not there. Put that back, or move {folder} away; then run again."
        )


class RunUnreadable(BenchError):
    """A run.json or a part that is not what this program writes."""

    def __init__(self, path: Path, detail: str) -> None:
        super().__init__(f"{str(path)!r} cannot be read: {detail}. Move its folder away and run the command again.")
