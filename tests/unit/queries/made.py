"""The rows behind the tests of the queries."""

import polars as pl

from prompt_joules.warehouse.selection import Selection
from tests import factories

EVERYTHING = Selection(weights=(), only_valid=False)


def made_rows() -> pl.DataFrame:
    """A sound run with failed, throttled and unmeasured prompts; one with a bad balance; one on random weights."""
    sound = [factories.record("run-a", index) for index in range(250)]
    sound[1] |= {"throttled": True}
    sound[2] |= {"energy_j": None, "energy_error_j": None, "energy_reason": "the counter went back"}
    sound[3] |= {"finish_reason": "length"}
    sound.append(factories.failed("run-a", 250))
    concise = [factories.record("run-b", index, task="chat-concise") for index in range(40)]
    dummy = [
        factories.record("run-c", index, weights="dummy", model_id="me/other", model_name="other", gpu_model=None) for index in range(20)
    ]
    return factories.frame(sound + concise + dummy)


def shown(only_valid: bool = True) -> pl.DataFrame:
    """The pretrained rows of the sound runs, or with only_valid=False all rows that did not fail."""
    rows = pl.concat([made_rows(), factories.frame([factories.record("run-d", 1)])]).filter(pl.col("status") == "ok")
    if only_valid:
        rows = rows.filter(~pl.col("throttled"), pl.col("run_id") != "run-b", pl.col("weights") == "pretrained")
    return rows.with_columns(
        energy_per_token_j=pl.col("energy_j") / pl.col("output_tokens"),
        energy_per_word_j=pl.col("energy_j") / pl.col("output_words"),
        tpot_s=(pl.col("latency_s") - pl.col("ttft_s")) / (pl.col("output_tokens") - 1),
        throughput_tps=pl.col("output_tokens") / pl.col("latency_s"),
        power_w=pl.col("energy_j") / pl.col("latency_s"),
    )
