"""One capture of a fleet: which files, where its results go, and whether they are there already.

Output of a capture, in the folder of the fleet:

    reports/ID.json             its report, as of `capnet analyze --format json`
    flows/ID.parquet, …         its part of each table of the data set
    connections/ID.npy          its connections, for joining them with those of other captures
    translations/ID.npy         those of them that are translated, if there are any
    done/ID.json                its record: what was read, how, what came of it. Written last: it makes a capture done

A record holds as long as files, version, options and results are what it says.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeAlias

from capnet import __version__
from capnet.analysis.core.sources import Source
from capnet.quick_tuple import NamedTuple
from capnet.topology import topology_path, witnesses_path

SCHEMA = "capnet.fleet.capture/1"
DONE, FAILED, APART = "done", "failed", "apart"  # outcomes; apart: the files of a ring do not follow each other
REPORTS, RECORDS, CONNECTIONS, TRANSLATIONS = "reports", "done", "connections", "translations"
TABLES = ("flows", "nat", "findings", "models")  # of the data set

Record: TypeAlias = dict[str, Any]


class FleetOptions(NamedTuple):
    """What changes results. `format_`: of the data set, a key of `export.writers.FORMATS`.

    `topology`: a file for all captures in place of those beside them; empty: those beside them.
    """

    format_: str
    vxlan_port: int = 0
    topology: str = ""


class Job(NamedTuple):
    """A capture to analyze: its files in their order, and the folder of the fleet; paths are absolute."""

    files: tuple[str, ...]
    folder: str
    options: FleetOptions

    @property
    def id(self) -> str:
        """A name for its results: of its first file, and a hash of all paths."""
        digest = blake2b("\0".join(self.files).encode("utf-8", "surrogateescape"), digest_size=6).hexdigest()
        stem = Path(self.files[0]).name.partition(".")[0]
        return f"{''.join(c if c.isascii() and c.isalnum() else '-' for c in stem)[:40]}-{digest}"

    @property
    def label(self) -> str:
        """The capture as messages name it: its first file."""
        return self.files[0]

    @property
    def bytes(self) -> int:
        """Size on disk; files that are not there count as nothing."""
        return sum(state["bytes"] for state in states(self.files))

    def result(self, kind: str) -> Path:
        """Where its results of a kind are: `reports`, `done`, `connections` or a table."""
        return Path(self.folder, kind, self.id + suffix_of(kind, self.options.format_))


def job_of(source: Source, folder: Path, options: FleetOptions) -> Job:
    """The job for a capture."""
    files = tuple(str(part.path) for part in source.parts)
    return Job(files, str(folder.absolute()), options)


def suffix_of(kind: str, format_: str) -> str:
    """The ending of results of a kind."""
    if kind in (REPORTS, RECORDS):
        return ".json"
    return ".npy" if kind in (CONNECTIONS, TRANSLATIONS) else f".{format_}"


def record_head(job: Job) -> Record:
    """What a record of this capture begins with, and what must be the same for it to hold."""
    return {
        "schema": SCHEMA,
        "made_by": f"capnet {__version__}",
        "options": job.options._asdict(),
        "files": states(job.files),
        "beside": states([*_beside(job.files), *([job.options.topology] if job.options.topology else [])]),
    }


def valid_record(job: Job) -> Record | None:
    """The record of a capture that is done; None if it is not, or if anything changed since."""
    record = read_record(job.result(RECORDS))
    if record is None or any(record.get(key) != value for key, value in record_head(job).items()):
        return None
    outputs = record.get("outputs", {})
    return record if all(_size(Path(job.folder, name)) == size for name, size in outputs.items()) else None


def read_record(path: Path) -> Record | None:
    """The record in a file; None if there is none."""
    try:
        record = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and record.get("schema") == SCHEMA else None


def states(files: Iterable[str]) -> list[Record]:
    """Name, size and time of change of each file; size 0 and time 0 of one that is not there."""
    return [_state(file) for file in files]


def _state(file: str) -> Record:
    try:
        status = Path(file).stat()
    except OSError:
        return {"file": file, "bytes": 0, "mtime_ns": 0}
    return {"file": file, "bytes": status.st_size, "mtime_ns": status.st_mtime_ns}


def _beside(files: Iterable[str]) -> Iterator[str]:
    """The topologies and witnesses that lie beside captures: reports depend on them."""
    for file in map(Path, files):
        yield from (str(path) for path in (topology_path(file), witnesses_path(file)) if _size(path) is not None)


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
