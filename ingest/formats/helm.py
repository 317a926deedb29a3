"""HELM: `stats.json` of a run, with `run_spec.json` beside it → `quality`, one row per headline metric.

HELM writes a hundred statistics a run; those kept are the accuracies by which it ranks models, of whole and unchanged inputs, of the test
split where there is one. All are shares, and become percent. Its runtimes are those of an API, or idealised: they are dropped.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import duckdb

from prompt_joules.ingest.formats.base import Facts, Format, Loaded, Reject, Source, content_of, one_by_one
from prompt_joules.ingest.formats.foreign import companion, dug, is_number
from prompt_joules.ingest.formats.published import store_scores

KEYS = {"name", "count", "sum"}
# What HELM's leaderboards rank by, all means of values between 0 and 1.
HEADLINES = frozenset(
    (
        *("exact_match", "quasi_exact_match", "prefix_exact_match", "quasi_prefix_exact_match", "quasi_leave_articles_exact_match"),
        *("final_number_exact_match", "f1_score", "f1_set_match", "classification_macro_f1", "classification_micro_f1"),
        *("rouge_1", "rouge_2", "rouge_l", "bleu_1", "bleu_4", "math_equiv", "math_equiv_chain_of_thought"),
        *("chain_of_thought_correctness", "ifeval_strict_accuracy", "omni_math_accuracy", "wildbench_score_rescaled"),
        *("pass", "code_eval_acc", "test_avg", "RR@10", "NDCG@10", "bbq_accuracy"),
    )
)
MODEL = re.compile(r"(?:^|(?<=[:,]))(?:model|model_deployment)=[^,]*,?")
SPLITS = ("test", "valid")


def scores_of(stats: Sequence[Mapping[str, Any]], spec: Mapping[str, Any], model: str) -> Iterator[dict[str, Any]]:
    """The rows of `quality.csv` that the statistics of a run stand for."""
    found = {(dug(stat, "name", "name"), dug(stat, "name", "split")): stat for stat in stats if _is_headline(stat)}
    most = dug(spec, "adapter_spec", "max_eval_instances")
    for metric in sorted({name for name, _ in found}):
        stat = next((found[metric, split] for split in SPLITS if (metric, split) in found), None)
        if stat is None:
            continue
        mean: Any = stat.get("mean")
        yield {
            "published_model_id": model,
            "benchmark": benchmark_of(spec),
            "metric": metric,
            "score": mean * 100 if is_number(mean) else mean,
            "fewshot": dug(spec, "adapter_spec", "max_train_instances"),
            "source": "HELM" if most is None else f"HELM, at most {most} instances",
        }


def _is_headline(stat: Any) -> bool:
    name = dug(stat, "name")
    if not isinstance(name, dict) or name.get("perturbation") or name.get("sub_split"):
        return False
    return isinstance(name.get("name"), str) and name["name"] in HEADLINES and name.get("split") in SPLITS


def benchmark_of(spec: Mapping[str, Any]) -> str:
    """The scenario and its options: the name of the run without the model."""
    return MODEL.sub("", str(spec.get("name"))).strip(":,")


def _load(connection: duckdb.DuckDBPyConnection, source: Source) -> Loaded:
    spec = companion(source.path.with_name("run_spec.json"), "the model and the scenario")
    model = dug(spec, "adapter_spec", "model") or dug(spec, "adapter_spec", "model_deployment")
    numbered = list(content_of(source).objects())
    rejects = [Reject(number, None, "is no whole JSON object") for number, stat in numbered if not stat]
    rows = list(scores_of([stat for _, stat in numbered if stat], spec, model)) if isinstance(model, str) and model else []
    if not rows:
        rejects.append(Reject(None, None, "holds no headline metric" if model else "has a run_spec.json beside it that names no model"))
    return store_scores(connection, source, rows, rejects)


FORMAT = Format(
    Facts(
        "helm",
        "HELM stats.json with run_spec.json beside it: headline scores",
        "0.5 (structure from its source, and from runs that it published)",
    ),
    into="quality",
    recognises=lambda content: content.is_list and content.keys >= KEYS and isinstance(dug(content.first, "name", "name"), str),
    load=one_by_one(_load),
)
