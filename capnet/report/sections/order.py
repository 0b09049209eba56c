"""Which sections a view has, in their order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from capnet.analysis.core.contract.document import Document
from capnet.report.sections.capture import coverage, inputs, points
from capnet.report.sections.findings import findings
from capnet.report.sections.flows import conversations, flows, paths, protocols
from capnet.report.sections.kernel import kernel
from capnet.report.sections.networks import models, tunnels
from capnet.report.sections.outcomes import fates, icmp_errors, neighbours
from capnet.report.sections.section import Section, View
from capnet.report.sections.stations import macs, stations
from capnet.report.sections.translations import nat, proxies
from capnet.report.words import Words

_ORDER: dict[View, Sequence[Callable[[Document, Words, View], Section]]] = {
    View.COMPACT: (
        findings, kernel, models, nat, proxies, tunnels, macs, stations, fates, icmp_errors, paths, flows,
        conversations, protocols, points, inputs, coverage,
    ),
    View.DETAILED: (
        findings, kernel, fates, icmp_errors, paths, nat, proxies, tunnels, macs, stations, models, flows,
        conversations, protocols, points, inputs,
    ),
}  # fmt: skip


def sections_of(view: View, only: Collection[str] = ()) -> Sequence[Callable[[Document, Words, View], Section]]:
    """What makes the sections of a view. The table of neighbours is shown where it is asked for."""
    return [neighbours, *_ORDER[view]] if "neighbours" in only else _ORDER[view]
