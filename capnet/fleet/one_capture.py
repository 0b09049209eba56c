"""Analyzes one capture of a fleet and writes its results: what each process, and each worker of Dask, runs.

Results are written completely or not at all, the record last. So a capture whose process is killed is not done, and
nothing of it is taken for a result.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Any, BinaryIO

from capnet.analysis.core.sources import Source
from capnet.errors import CapnetError, EnvironmentLacks
from capnet.fleet.job import (
    APART,
    CONNECTIONS,
    DONE,
    FAILED,
    RECORDS,
    REPORTS,
    TABLES,
    TRANSLATIONS,
    Job,
    Record,
    record_head,
    valid_record,
)
from capnet.whole_file import make_folder, whole

if TYPE_CHECKING:
    from capnet.analysis.engine import Study

MAX_STATIONS = 2_000  # of a record, those with the most packets: the report has all

_one_at_a_time = Lock()  # a worker of Dask may have several threads; an analysis uses one, and memory for one


def analyze_capture(job: Job) -> Record:
    """The record of a capture, after its results were written; that of results which are there already.

    What cannot be read is a record too, which is not kept: the next run tries again. Raises EnvironmentLacks where no
    capture could be done, as on a full disk.
    """
    with _one_at_a_time:
        record = valid_record(job)
        if record is not None:
            return record
        gc.disable()  # a report makes hardly any cycles
        try:
            return _analyzed(job)
        finally:
            gc.enable()
            gc.collect()


def failed_record(job: Job, error: str) -> Record:
    """The record of a capture that cannot be analyzed."""
    return record_head(job) | {"outcome": FAILED, "error": error, "outputs": {}}


def _analyzed(job: Job) -> Record:
    from capnet.analysis.core.topologies import TopologyFile
    from capnet.analysis.engine import Options, study
    from capnet.wire.series import NotOneSeries

    began, head = monotonic(), record_head(job)
    first, *later = map(Path, job.files)
    source = Source(first, later=tuple(later))
    try:
        topology = TopologyFile(Path(job.options.topology)) if job.options.topology else None
        result = study([source], topology, Options(vxlan_port=job.options.vxlan_port, threads=1))
        outputs, summary = _write_results(job, result)
    except NotOneSeries as error:
        return _written(job, head | {"outcome": APART, "error": str(error), "outputs": {}})
    except EnvironmentLacks:
        raise
    except Exception as error:  # of one capture: the others go on
        if later:  # so that one broken file of a ring does not take the others with it
            return _written(job, head | {"outcome": APART, "error": _reason(error), "outputs": {}})
        return failed_record(job, _reason(error).removeprefix(f"{job.label}: "))
    seconds = round(monotonic() - began, 3)
    return _written(job, head | {"outcome": DONE, "error": None, "outputs": outputs, "seconds": seconds} | summary)


def _reason(error: Exception) -> str:
    if isinstance(error, CapnetError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"{type(error).__name__}: {error}"


def _write_results(job: Job, study: Study) -> tuple[dict[str, int], Record]:
    """Write report, tables and connections; name → size of each file, and what the record says of the capture."""
    import numpy as np

    from capnet.analysis.core.contract.json_text import json_pieces
    from capnet.export.writers import write
    from capnet.fleet.dataset import part_tables
    from capnet.fleet.joined.connections import connections_of
    from capnet.fleet.joined.translations import translations_of
    from capnet.fleet.report.summary import summary_of

    document = study.report.to_dict()
    summary = summary_of(document, MAX_STATIONS)
    outputs: dict[str, int] = {}

    def result(kind: str, write_into: Callable[[BinaryIO], object]) -> None:
        path = job.result(kind)
        _write(path, write_into)
        outputs[f"{kind}/{path.name}"] = path.stat().st_size

    result(REPORTS, lambda file: file.writelines(piece.encode("ascii") for piece in json_pieces(document)))
    tables = part_tables(study, job.label)
    for name in TABLES:
        result(name, lambda file, table=tables[name]: write(table, job.options.format_, file))  # type: ignore[misc]
    connections = connections_of(study.context)
    result(CONNECTIONS, lambda file: np.save(file, connections, allow_pickle=False))
    translations = translations_of(study.context, connections)
    if len(translations):
        result(TRANSLATIONS, lambda file: np.save(file, translations, allow_pickle=False))
    times = [int(connections["first"].min()), int(connections["last"].max())] if len(connections) else [0, 0]
    return outputs, summary | {"connections": {"rows": len(connections), "first": times[0], "last": times[1]}}


def _written(job: Job, record: Record) -> Record:
    """The record, after it was written: now the capture is done."""
    from capnet.analysis.core.contract.json_text import json_text

    _write(job.result(RECORDS), lambda file: file.write(json_text(record).encode("ascii")))
    return record


def _write(path: Path, write_into: Callable[[Any], object]) -> None:
    try:
        make_folder(path.parent)
        with whole(path) as file:
            write_into(file)
    except OSError as error:
        raise EnvironmentLacks(f"{path}: cannot be written ({error.strerror or error})") from error
