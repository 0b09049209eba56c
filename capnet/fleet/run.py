"""A run of a fleet: captures that are not done are analyzed, then all of them are merged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from capnet.analysis.core.contract.document import Document
from capnet.analysis.core.sources import Source
from capnet.fleet.folder import JOINED, other_results
from capnet.fleet.job import (
    APART,
    CONNECTIONS,
    DONE,
    FAILED,
    RECORDS,
    TRANSLATIONS,
    FleetOptions,
    Job,
    Record,
    job_of,
    read_record,
    valid_record,
)
from capnet.fleet.joined.joining import CaptureConnections, JoinedRows, Sharing, in_order, joined_rows, sharing_captures
from capnet.fleet.joined.table import joined_table
from capnet.fleet.report.merge import MergedReport
from capnet.quick_tuple import NamedTuple


class Workers(Protocol):
    """What analyzes captures: processes of this machine, or of several."""

    def add(self, job: Job) -> None:
        """Analyze this capture too."""

    def __iter__(self) -> Iterator[tuple[Job, Record]]:
        """Each capture with its record, as they come."""


class RunState(NamedTuple):
    """How far a run is: captures of all, bytes of those that were not done before."""

    done: int
    failed: int
    captures: int
    done_bytes: int
    bytes: int


class Run:
    """A run over the captures `sources`, with results in `folder`, which is locked and whose options are `options`."""

    def __init__(self, sources: Sequence[Source], folder: Path, options: FleetOptions) -> None:
        self.folder = folder
        self._options = options
        self.jobs: dict[str, Job] = {}
        self.failed: dict[str, Record] = {}
        self.waiting: dict[str, Job] = {}
        self._apart: set[str] = set()  # rings that are none: their records say so to the next run
        self.was_done = 0
        self._sizes: dict[str, int] = {}
        self._done_bytes = 0
        for source in sources:
            self._add(job_of(source, folder, options))
        self.was_done = len(self.jobs) - len(self.waiting)
        # Captures whose results are removed at the end: they are not named any more.
        self.outdated = sum(file.parent.name == RECORDS for file in other_results(folder, self._kept))

    @property
    def state(self) -> RunState:
        """How far it is."""
        done = len(self.jobs) - len(self.waiting) - len(self.failed)
        return RunState(done, len(self.failed), len(self.jobs), self._done_bytes, sum(self._sizes.values()))

    def analyze(self, workers: Workers, after: Callable[[RunState], None]) -> None:
        """Analyze what is not done; `after` is called after each capture."""
        # The largest first, so that none of them is the last one.
        for job in sorted(self.waiting.values(), key=lambda job: -self._sizes[job.id]):
            workers.add(job)
        for job, record in workers:
            del self.waiting[job.id]
            if record["outcome"] == APART:
                before = set(self.waiting)
                self._split(job)
                for part in [self.waiting[name] for name in self.waiting if name not in before]:
                    workers.add(part)
            else:
                self._done_bytes += self._sizes[job.id]
                if record["outcome"] == FAILED:
                    self.failed[job.id] = record
            after(self.state)

    def merge(self) -> Document:
        """The merged report; the table of joined connections is written. Results of other captures are removed."""
        for file in other_results(self.folder, self._kept):
            with suppress(FileNotFoundError):
                file.unlink()
        report = MergedReport(self.jobs.values())
        observed: list[CaptureConnections] = []
        files: list[str] = []
        for job in sorted(self.jobs.values(), key=lambda job: job.files):
            record = self.failed.get(job.id) or read_record(job.result(RECORDS))
            if record is None or record["outcome"] == APART:
                continue
            report.add(job, record)
            if record["outcome"] == DONE:
                files.append(job.label)
                file = job.result(TRANSLATIONS)
                translations = file if f"{TRANSLATIONS}/{file.name}" in record["outputs"] else None
                connections = CaptureConnections(job.result(CONNECTIONS), **record["connections"])
                observed.append(connections._replace(translations=translations))
        sharing, count = self._join(observed, files)
        return report.document(self._options.format_, sharing, files, count)

    @property
    def _kept(self) -> set[str]:
        """Captures whose results stay."""
        return {*self.jobs, *self._apart}

    def _add(self, job: Job) -> None:
        """Take up a capture; of a ring that was found to be none, its files."""
        if job.id in self.jobs:
            return
        record = valid_record(job)
        if record is not None and record["outcome"] == APART:
            self._split(job)
            return
        self.jobs[job.id] = job
        self._sizes[job.id] = 0
        if record is None:
            self._sizes[job.id] = job.bytes
            self.waiting[job.id] = job

    def _split(self, job: Job) -> None:
        """Take up the files of a ring as captures of their own."""
        self.jobs.pop(job.id, None)
        self._sizes.pop(job.id, None)
        self._apart.add(job.id)
        for file in job.files:
            self._add(job_of(Source(Path(file)), self.folder, self._options))

    def _join(self, observed: Sequence[CaptureConnections], files: Sequence[str]) -> tuple[list[Sharing], int]:
        """Write the table of joined connections; captures that share them, and how many connections there are."""
        from capnet.export.writers import write
        from capnet.whole_file import make_folder, whole

        counts: dict[tuple[int, ...], int] = {}
        numbers = 0

        def counted(parts: Iterator[JoinedRows]) -> Iterator[JoinedRows]:
            nonlocal numbers
            for rows in parts:
                numbers = int(rows["number"][-1]) + 1
                for each in sharing_captures(rows):
                    counts[each.captures] = counts.get(each.captures, 0) + each.connections
                yield rows

        make_folder(self.folder / JOINED)
        with whole(self.folder / JOINED / f"{JOINED}.{self._options.format_}") as file:
            write(joined_table(counted(joined_rows(observed)), files), self._options.format_, file)
        return in_order(map(Sharing, counts, counts.values())), numbers
