"""Files that a page offers: what their header says, and their rows."""

import io
import json

import polars as pl

from prompt_joules.warehouse import rows_as


def said_of(file: bytes, kind: str) -> tuple[str, pl.DataFrame]:
    """What the header of a file says of its rows, and the rows."""
    if kind == "parquet":
        header = json.loads(pl.read_parquet_metadata(io.BytesIO(file))[rows_as.METADATA_KEY])
        return header["filter"], pl.read_parquet(io.BytesIO(file))
    line = next(line for line in file.decode().split("\n") if line.startswith("# filter: "))
    return line.removeprefix("# filter: "), pl.read_csv(io.BytesIO(file), comment_prefix="#", infer_schema_length=None)
