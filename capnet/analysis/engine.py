"""One analysis: sources → one pass over each → pipeline → report.

    report = analyze("bridge.pcapng")

Several sources are one capture with several points. Files of a topology and of witnesses beside a source are used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from importlib import import_module
from threading import Event
from typing import TYPE_CHECKING

from capnet.analysis.aggregate.reader import SourceReader
from capnet.analysis.core.options import MAX_OBSERVATIONS, Options
from capnet.analysis.core.sources import AnySource, Progress, Source, as_sources, size_of
from capnet.analysis.core.topologies import TopologyFile, topology_of
from capnet.analysis.witness_files import witnesses_beside
from capnet.errors import UsageError
from capnet.quick_dataclass import frozen
from capnet.quick_tuple import NamedTuple
from capnet.topology import Topology
from capnet.wire.capture import Capture, worth_compiling

if TYPE_CHECKING:  # the pipeline is loaded while the first blocks are read
    from capnet.analysis.core.context import Context
    from capnet.analysis.core.contract.report import Report
    from capnet.witnesses import Witnesses

__all__ = ["Options", "Progress", "Source", "Study", "analyze", "study"]


def analyze(
    sources: AnySource | Iterable[AnySource],
    topology: Topology | None = None,
    *,
    witnesses: Witnesses | None = None,
    vxlan_port: int = 0,
    compiled: bool | None = None,
    threads: int | None = None,
    budget: int = MAX_OBSERVATIONS,
    until: Event | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Report:
    """Analyze captures and return the report.

    sources     a file, or several; each a path or a `Source`
    topology    who owns which address; None = the file `NAME.topology.json` beside each source, if there is one
    witnesses   what the kernels say themselves; None = the file `NAME.witnesses.json` beside each source, likewise
    vxlan_port  a UDP port that always carries VXLAN, besides 4789; 0 = none
    compiled    run compiled (True) or interpreted (False); None = as fits the size of the sources
    threads     threads that read; None = one a processor, a few at most; 1 = no other thread. The report is the same
    budget      observations kept for following packets; of more packets a sample is kept
    until       the file may still be growing, and ends when this is set
    progress    called after each block

    Raises UnreadableInput if a source or a topology cannot be read, UsageError for a number that makes no sense, and
    TypeError for anything that is no source.
    """
    for name, number in (("threads", threads), ("budget", budget)):
        if number is not None and number < 1:
            raise UsageError(f"{name} is 1 or more, not {number}")
    options = Options(
        vxlan_port=vxlan_port, compiled=compiled, threads=threads, budget=budget, until=until, progress=progress
    )
    return study(sources, topology, options, witnesses=witnesses).report


@frozen
class Study:
    """An analysis that can be asked more: its report, and what the report was derived from.

    `sources`: several files that follow each other are one. `bases`: per source, the index of its first point among all
    points. `options`: `compiled` says how kernels ran.
    """

    report: Report
    context: Context
    sources: list[Source]
    bases: list[int]
    options: Options

    def find_frame(self, file: str, frame: int) -> FrameIndex:
        """Where a frame of an input is; `file`: the label of the input. ValueError if there is no such input."""
        from capnet.analysis.core.rings.frame_numbers import FramePlace

        for number, source in enumerate(self.sources):
            if file in [part.label for part in source.parts]:
                numbers = self.context.series.get(source.label)
                return FrameIndex(number, numbers.number(FramePlace(file, frame)) if numbers else frame)
        raise ValueError(f"{file} is none of the inputs")


class FrameIndex(NamedTuple):
    """A frame: index of its source, and its number among the frames of this source."""

    source: int
    number: int


def study(
    sources: AnySource | Iterable[AnySource],
    topology: Topology | TopologyFile | None = None,
    options: Options | None = None,
    *,
    witnesses: Witnesses | None = None,
    on_block: Callable[[int, bytes, bool], None] | None = None,
    links_only: bool = False,
    flows_only: bool = False,
    meanwhile: Callable[[], None] | None = None,
    between: Callable[[Callable[[], Study]], None] | None = None,
) -> Study:
    """As `analyze`, and keep what the report was derived from.

    `on_block`: as of `open_capture`, the number of the source first. `links_only`: leave out of the report what is
    neither counted nor needed to follow packets. `flows_only`: leave that out too, for tables of flows. `meanwhile` is
    called once when reading has begun, where several threads read: for what the caller has to make ready. `between` is
    called after each block, with a function that makes the study of what was read so far. Files that follow each other,
    as of a ring, are one source of the study, unless `on_block` is given.
    """
    wanted = as_sources(sources)
    _must_be_topology(topology)
    options = options or Options()
    asked = _Asked(topology, options, witnesses, on_block, links_only, flows_only, meanwhile, between)
    if len(wanted) > 1 and on_block is None:
        from capnet.analysis.core.rings.file_names import joined
        from capnet.wire.series import NotOneSeries

        rings = joined(wanted)
        if len(rings) < len(wanted):
            with suppress(NotOneSeries):
                return _study(rings, asked)
    return _study(wanted, asked)


class _Asked(NamedTuple):
    """What `study` was asked for, besides the sources."""

    topology: Topology | TopologyFile | None
    options: Options
    witnesses: Witnesses | None
    on_block: Callable[[int, bytes, bool], None] | None
    links_only: bool
    flows_only: bool
    meanwhile: Callable[[], None] | None
    between: Callable[[Callable[[], Study]], None] | None


def _study(wanted: list[Source], asked: _Asked) -> Study:
    """The study of sources as they are. NotOneSeries if a source is several files that do not follow each other."""
    options, on_block, meanwhile, between = asked.options, asked.on_block, asked.meanwhile, asked.between
    files = [part for source in wanted for part in source.parts]
    loaded = topology_of(files, asked.topology)
    sizes = [None if options.until else size_of(source) for source in wanted]  # a growing file has none
    if options.compiled is None and not options.until and all(source.path for source in wanted):
        options = replace(options, compiled=_is_worth_compiling(wanted, sizes))

    def make_ready() -> None:
        import_module("capnet.analysis.pipeline")
        if meanwhile:
            meanwhile()

    reader = SourceReader(len(wanted), _total(sizes), loaded.topology, options, make_ready)
    if between:
        reader.after_block = partial(_offer_study, reader, loaded.topology, wanted, between)
    for number, (source, size) in enumerate(zip(wanted, sizes, strict=True)):
        reader.read(source, size, partial(on_block, number) if on_block else None)
    for number, problem in loaded.problems.items():
        reader.inputs[number].problems.append(problem)
    from capnet.analysis.pipeline import conclude

    witnesses = asked.witnesses or witnesses_beside(files, reader.inputs)
    report, context = conclude(reader, loaded.topology, witnesses, asked.links_only, asked.flows_only)
    return Study(report, context, wanted, reader.bases, reader.options)


def _offer_study(
    reader: SourceReader,
    topology: Topology | None,
    sources: list[Source],
    between: Callable[[Callable[[], Study]], None],
    source: Source,
    capture: Capture,
) -> None:
    """Let `between` ask for the study of what was read so far."""

    def study_so_far() -> Study:
        from capnet.analysis.pipeline import conclude

        report, context = conclude(reader.so_far(source, capture), topology, None, False)
        return Study(report, context, sources, reader.bases, reader.options)

    between(study_so_far)


def _total(sizes: list[int | None]) -> int | None:
    """Bytes of all sources; None if one size is unknown."""
    known_sizes = [size for size in sizes if size is not None]
    return sum(known_sizes) if len(known_sizes) == len(sizes) else None


def _is_worth_compiling(sources: list[Source], sizes: list[int | None]) -> bool:
    """Whether sources of these sizes are read faster compiled; a file of unknown size cannot be opened at all."""
    pairs = zip(sources, sizes, strict=True)
    return worth_compiling([(source.path, size) for source, size in pairs if source.path and size is not None])


def _must_be_topology(given: object) -> None:
    if given is not None and not isinstance(given, Topology | TopologyFile):
        what = f"a topology is a Topology, not {type(given).__name__}"
        raise TypeError(f"{what}: capnet.Topology.load(FILE) reads one; several captures go in a list")
