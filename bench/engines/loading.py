"""From `--model` to weights and tokenizer in memory: a folder, a GGUF file, a hub id, or random weights from a config.

`plan` finds out what would be loaded and costs little; `load` loads it.
"""

import contextlib
import hashlib
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer
from transformers.quantizers import AutoHfQuantizer

from prompt_joules.bench import errors
from prompt_joules.bench.config import RunConfig, require_folder
from prompt_joules.bench.engines import weights
from prompt_joules.bench.engines.base import ModelFacts
from prompt_joules.bench.engines.gguf_reading import quick_reading


@dataclass(frozen=True)
class Plan:
    """What will be loaded, known before it is."""

    model_id: str  # hub id, or the folder's name (its path does not travel with the rows)
    source: str  # what `from_pretrained` gets
    gguf_file: str | None  # file inside `source`, or None
    revision: str | None  # commit of the hub, or SHA-256 over the weights' files; None where neither is known
    weights: str  # pretrained or dummy
    device: str  # cuda or cpu
    dtype: str  # in which the model computes, e.g. float16
    engine_version: str  # of transformers
    model_config: Any  # the model's transformers config

    @property
    def versions(self) -> dict[str, str]:
        """Versions of what runs the model."""
        return {"python": platform.python_version(), "torch": torch.__version__, "transformers": transformers.__version__}


def plan(config: RunConfig) -> Plan:
    """Decide device and number format, and find the model. Raises NoGpu, NoSuchFolder, ModelNotFound, ModelUnreadable, NoGguf."""
    device = config.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise errors.NoGpu()
    dtype = config.dtype
    if dtype == "auto":
        dtype = "float16" if device == "cuda" else "float32"
    path = Path(config.model)
    if config.gguf_file and not path.is_dir():
        raise errors.ModelNotFound(config.model, "a GGUF file needs a folder")
    if path.is_file() and not config.dummy_weights:
        raise errors.ModelNotFound(config.model, "it is a file; name its folder")
    gguf_file = _gguf_file(path, config.gguf_file) if config.gguf_file else None
    model_config = _model_config(config.model, gguf_file)
    return Plan(
        model_id=_model_id(path, config.model),
        source=config.model,
        gguf_file=gguf_file,
        revision=_revision(path, gguf_file, model_config, config.dummy_weights),
        weights="dummy" if config.dummy_weights else "pretrained",
        device=device,
        dtype=dtype,
        engine_version=transformers.__version__,
        model_config=model_config,
    )


def _model_id(path: Path, model: str) -> str:
    """A folder's name, a config file's name without its ending, else the hub id; a path does not travel with the rows."""
    if path.is_file():
        return path.resolve().stem
    return path.resolve().name if path.exists() else model


def _gguf_file(folder: Path, name: str) -> str:
    if name != "auto":
        if not (folder / name).is_file():
            raise errors.NoGguf(str(folder), f"There is no file {name!r}")
        return name
    found = sorted(folder.glob("*.gguf"))
    if len(found) != 1:
        raise errors.NoGguf(str(folder), f"There are {len(found)} GGUF files")
    return found[0].name


def _model_config(model: str, gguf_file: str | None) -> Any:
    require_folder(model)
    try:
        with quick_reading(gguf_file):
            return AutoConfig.from_pretrained(model, trust_remote_code=False, **_gguf(gguf_file))
    except Exception as error:  # libraries raise anything on files that are not what they seem
        _refuse_own_code(model, error)
        if Path(model).exists():
            raise errors.ModelUnreadable(model, _first_line(error)) from error
        raise errors.ModelNotFound(model, _first_line(error)) from error


def _revision(path: Path, gguf_file: str | None, model_config: Any, dummy: bool) -> str | None:
    if path.is_file():
        return _sha256([path])
    if not path.is_dir():
        commit = getattr(model_config, "_commit_hash", None)
        return str(commit) if commit else None
    if gguf_file:
        return _sha256([path / gguf_file])
    if dummy:
        return _sha256([path / "config.json"])
    files = next((found for pattern in weights.FORMATS if (found := sorted(path.glob(pattern)))), [])
    return _sha256(files) if files else None


def _sha256(files: list[Path]) -> str:
    """Of one file its hash; of several the hash of their hashes, in order of name."""
    digests = []
    for path in files:
        with path.open("rb") as file:
            digests.append(hashlib.file_digest(file, "sha256").hexdigest())
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def load(chosen: Plan) -> tuple[Any, Any]:
    """The model, on its device and ready to generate, and its tokenizer (None: random weights without one).

    Raises:
        ModelUnreadable, ModelNeedsPackage, TokenizerMissing, ModelTooBig.
    """
    tokenizer = load_tokenizer(chosen)
    kind = AutoModelForSeq2SeqLM if chosen.model_config.is_encoder_decoder else AutoModelForCausalLM
    dtype = getattr(torch, chosen.dtype)
    try:
        if chosen.weights == "dummy":
            with torch.device(chosen.device):
                model = kind.from_config(chosen.model_config, dtype=dtype)
        else:
            with quick_reading(chosen.gguf_file):
                options = {**_gguf(chosen.gguf_file), **_dequantised(chosen.gguf_file)}
                model = kind.from_pretrained(chosen.source, dtype=dtype, trust_remote_code=False, **options)
        model = model.to(chosen.device)
    except Exception as error:  # libraries raise anything on files that are not what they seem
        if isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error):
            raise errors.ModelTooBig(chosen.model_id, chosen.device, chosen.dtype) from error
        _refuse_own_code(chosen.source, error)
        if isinstance(error, ImportError):
            raise errors.ModelNeedsPackage(chosen.source, _first_line(error)) from error
        raise errors.ModelUnreadable(chosen.source, _first_line(error)) from error
    return model.eval(), tokenizer


def load_tokenizer(chosen: Plan) -> Any:
    """The model's tokenizer; None for random weights that have none. Raises TokenizerMissing."""
    is_file = Path(chosen.source).is_file()
    try:
        if is_file:
            raise OSError("a config file has none")
        with quick_reading(chosen.gguf_file):
            return AutoTokenizer.from_pretrained(chosen.source, trust_remote_code=False, **_gguf(chosen.gguf_file))
    except Exception as error:  # as above
        if chosen.weights == "dummy":
            return None
        raise errors.TokenizerMissing(chosen.source, _first_line(error)) from error


def model_facts(model: Any, chosen: Plan) -> ModelFacts:
    """What the model says of itself: its parameters, what its weights were loaded from, and the number format in which they are kept."""
    said, runs = quantization_of(chosen.model_config), quantization_in(model)
    form = weights.weights_format(chosen.source, chosen.gguf_file, said if _is_known(said) else None, chosen.weights == "dummy")
    pretrained = chosen.weights != "dummy" and not chosen.gguf_file
    if form and pretrained and runs is None:
        form = form.replace(" kernels", " dequantised")
    kept = weights.number_format(runs) if runs and pretrained else chosen.dtype
    return ModelFacts(*parameters_b(_plain(model, chosen) if said else model), form, kept)


def _is_known(quantization: dict[str, Any] | None) -> bool:
    """Whether transformers knows the method; it passes over one that it does not, and loads the weights as the files have them."""
    with contextlib.suppress(ValueError):
        return quantization is not None and bool(AutoHfQuantizer.supports_quant_method(quantization))
    return False


def quantization_in(model: Any) -> dict[str, Any] | None:
    """The quantisation whose kernels run; None for plain weights, and for those that were turned into such on loading.

    transformers does so where the device has no kernels of the method: FP8 on a CPU or on cards older than Ada, MXFP4 without Triton.
    """
    config: Any = getattr(getattr(model, "hf_quantizer", None), "quantization_config", None)
    return None if config is None or getattr(config, "dequantize", False) else config.to_dict()


def _plain(model: Any, chosen: Plan) -> Any:
    """The model as its config describes it, without numbers: whatever packs the weights, and adds scales to them, has these shapes."""
    with contextlib.suppress(Exception), torch.device("meta"):  # a model's own code can raise anything
        return type(model)._from_config(chosen.model_config)
    return model


def parameters_b(model: Any) -> tuple[float, float | None]:
    """All parameters and those used per token (1e9), by shape where they are packed; of a mixture of experts the routed share is used.

    The second is None where the routing is not known.
    """
    counts = weights.parameter_counts(model)
    total = sum(counts.values())
    text = model.config.get_text_config()
    experts = next((n for key in ("num_local_experts", "num_experts", "n_routed_experts") if (n := getattr(text, key, None))), None)
    expert = sum(counts[name] for name in weights.of_experts(model, counts, experts))
    if not expert:
        return total / 1e9, total / 1e9
    used = getattr(text, "num_experts_per_tok", None)
    active = (total - expert + expert * used / experts) / 1e9 if experts and used else None
    return total / 1e9, active


def quantization_of(model_config: Any) -> dict[str, Any] | None:
    """The quantisation that a checkpoint says it has; None for plain weights."""
    found: Any = getattr(model_config, "quantization_config", None)
    return (found.to_dict() if hasattr(found, "to_dict") else found) or None


def _gguf(gguf_file: str | None) -> dict[str, str]:
    return {"gguf_file": gguf_file} if gguf_file else {}


def _refuse_own_code(model: str, error: BaseException) -> None:
    """Raises OwnCode where the library asks whether to run code that came with the model."""
    if "trust_remote_code" in str(error):
        raise errors.OwnCode(model) from error


def _dequantised(gguf_file: str | None) -> dict[str, Any]:
    """Asks for plain weights out of a GGUF file: transformers 5.24 keeps them packed where it has kernels for that."""
    config = getattr(transformers, "GgufConfig", None) if gguf_file else None
    return {"quantization_config": config(dequantize=True)} if config else {}


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return (text.splitlines()[0] if text else type(error).__name__).rstrip(".")
