"""The source formats, one file each. A format is recognised by looking at the content of a file, not at its name."""

from ingest.formats import mlenergy_v1, mlenergy_v2, mlenergy_v3, published, records, run_json
from ingest.formats.base import Format, Head

# In this order: the first that recognises a file reads it.
FORMATS: tuple[Format, ...] = (
    records.FORMAT,
    run_json.FORMAT,
    published.FIGURES,
    published.QUALITY,
    mlenergy_v1.BENCHMARK,
    mlenergy_v1.SCORES,
    mlenergy_v1.MODELS,
    mlenergy_v2.FORMAT,
    mlenergy_v3.FORMAT,
    mlenergy_v3.INDEX,
)

# Formats that only one of our own rows' files has: they load before run.json, which refers to runs.
SUFFIXES = (".parquet", ".csv", ".json")


def recognise(head: Head) -> Format | None:
    """The format of a file, or None for a foreign one."""
    return next((candidate for candidate in FORMATS if candidate.recognises(head)), None)
