"""Descriptors of a folder with one CSV: Frictionless (datapackage.json) and Croissant (croissant.json).

Sources: Data Package 1.0 with Table Schema, https://specs.frictionlessdata.io; Croissant 1.0, https://docs.mlcommons.org/croissant.
"""

import json
import re
from pathlib import Path
from typing import Any

Columns = list[dict[str, Any]]
"""Name, type (of polars), unit and meaning of each column, as `meanings.columns` gives them."""

CROISSANT = "http://mlcommons.org/croissant/1.0"
CONTEXT: dict[str, Any] = json.loads((Path(__file__).parent / "croissant_context.json").read_text(encoding="utf-8"))


def datapackage(name: str, file: str, sha256: str, size: int, header: dict[str, Any], columns: Columns) -> dict[str, Any]:
    """The descriptor of Frictionless.

    Args:
        name: what one row is, e.g. leaderboard.
        file: name of the CSV beside the descriptor.
        sha256, size: of its bytes.
        header: of the rows, see `export.Facts.header`.
    """
    fields = [
        {
            "name": column["name"],
            "type": _of_frictionless(column["type"]),
            **({"format": "any"} if _of_frictionless(column["type"]) == "datetime" else {}),
            "description": column["meaning"],
            "unit": column["unit"],
        }
        for column in columns
    ]
    return {
        "profile": "tabular-data-package",
        "name": f"prompt-joules-{name}",
        "title": f"Prompt Joules: {header['about']}",
        "description": f"{header['rows']} rows; filter: {header['filter']}. Content hash {header['content_sha256']}.",
        "homepage": header["link"],
        "version": header["version"],
        "citation": header["citation"],
        "licenses": [{"name": slug(licence, 60), "title": licence} for licence in header["licences"]],
        "sources": [{"title": source} for source in header["sources"]],
        "resources": [
            {
                "profile": "tabular-data-resource",
                "name": name,
                "path": file,
                "format": "csv",
                "mediatype": "text/csv",
                "encoding": "utf-8",
                "bytes": size,
                "hash": f"sha256:{sha256}",
                "schema": {"fields": fields, "missingValues": [""]},
            }
        ],
    }


def croissant(name: str, file: str, sha256: str, size: int, header: dict[str, Any], columns: Columns) -> dict[str, Any]:
    """The descriptor of Croissant; arguments as of `datapackage`."""
    fields = [
        {
            "@type": "cr:Field",
            "@id": f"{name}/{column['name']}",
            "name": column["name"],
            "description": f"{column['meaning']} [{column['unit']}]" if column["unit"] else column["meaning"],
            "dataType": _of_croissant(column["type"]),
            "source": {"fileObject": {"@id": file}, "extract": {"column": column["name"]}},
        }
        for column in columns
    ]
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CROISSANT,
        "name": f"prompt-joules-{name}",
        "description": f"{header['about']}; {header['rows']} rows; filter: {header['filter']}.",
        "url": header["link"],
        "version": _three_numbers(header["version"]),
        "license": header["licences"],
        "citeAs": header["citation"],
        "creator": [{"@type": "sc:Organization", "name": source} for source in header["sources"]],
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": file,
                "name": file,
                "contentUrl": file,
                "contentSize": f"{size} B",
                "encodingFormat": "text/csv",
                "sha256": sha256,
            }
        ],
        "recordSet": [{"@type": "cr:RecordSet", "@id": name, "name": name, "description": header["about"], "field": fields}],
    }


def _of_frictionless(kind: str) -> str:
    if kind.startswith(("Int", "UInt")):
        return "integer"
    if kind.startswith(("Float", "Decimal")):
        return "number"
    return {"Boolean": "boolean", "Date": "date"}.get(kind, "datetime" if kind.startswith("Datetime") else "string")


def _of_croissant(kind: str) -> str:
    of_frictionless = {"integer": "sc:Integer", "number": "sc:Float", "boolean": "sc:Boolean", "date": "sc:Date", "datetime": "sc:DateTime"}
    return of_frictionless.get(_of_frictionless(kind), "sc:Text")


def slug(text: str, longest: int) -> str:
    """Letters, digits, dots and dashes, as names of licences and files have."""
    return re.sub(r"[^A-Za-z0-9.-]+", "-", text).strip("-")[:longest]


def _three_numbers(version: str) -> str:
    """MAJOR.MINOR.PATCH of a version, which is all that Croissant takes."""
    numbers = re.findall(r"\d+", version.partition("+")[0])[:3]
    return ".".join([*numbers, "0", "0", "0"][:3])
