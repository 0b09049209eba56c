"""JSON files with a schema that lie beside captures: bounded, and with an error that says what is wrong with one."""

from __future__ import annotations

import json
from os import PathLike
from pathlib import Path
from typing import Any


def read_object(path: str | PathLike[str], schema: str, kind: str, max_bytes: int) -> dict[str, Any]:
    """The object in a file whose key `schema` has this value; `kind` is what errors call such a file.

    Raises ValueError, with path and reason, for another kind of file; OSError if it is missing.
    """
    with Path(path).open("rb") as file:
        raw = file.read(max_bytes + 1)
    if len(raw) > max_bytes:
        raise ValueError(f"{path}: longer than {max_bytes >> 20} MiB, which no {kind} is")
    try:
        data = json.loads(raw.decode())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not JSON ({error})") from error
    if not isinstance(data, dict) or data.get("schema") != schema:
        raise ValueError(f"{path}: not a {kind} (no schema {schema!r})")
    return data
