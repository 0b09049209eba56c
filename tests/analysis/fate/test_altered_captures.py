"""What must not be told of stored captures whose packets are missing for a known reason.

All networks of the stored captures work. Whatever a capture of some of their points shows, or of some of the time, is
no fault; and where single flows were taken out from a point on, nothing but that stop is a fault.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import flow_key, is_icmp_error, ports
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.engine import study
from tests.analysis.fate.altered import Capture, Record, Tuple, capture
from tests.conftest import PROJECT

PCAPS = sorted((PROJECT / "pcaps").glob("*.pcapng"))
TWINS = sorted((PROJECT / "pcaps/faults").glob("*.healthy.pcapng"))
SUBSETS = 8  # of points, of each capture
FLOWS = 3  # taken out, of each capture
# What a flow that stops may be called: where, or why the next hop would drop it.
STOPS = {
    "stops-between", "hairpin-off", "published-port-blocked", "lost-on-the-wire", "tunnel-not-decapsulated",
    "isolated-on-bridge",
}  # fmt: skip
TRUE_OF_PARTS = {
    "ipvlan-l3": {"no-return-route", "host-unreachable"},  # the first pings have no way back, until a route is added
    "macvlan-vlan": {"arp-unanswered"},  # the host asks for its own child
}
# A point that ends early without saying so is taken to listen as long as the others: then a stop is likely only.
ASSUMED = {"bridge-hairpin-noproxy": {"stops-between"}}

of_each = pytest.mark.parametrize("path", PCAPS, ids=lambda path: path.stem)
of_each_and_twins = pytest.mark.parametrize("path", [*PCAPS, *TWINS], ids=lambda path: path.stem)


def faults(altered: Capture, folder: Path, own: set[str], levels: tuple[str, ...] = ("error", "warning")) -> set[str]:
    """Names of the findings of these levels that are told of an altered capture, and not of the whole one."""
    report = study(altered.write(folder / "altered.pcapng")).report
    return {finding.name for finding in report.findings if finding.level in levels} - own


def own_findings(path: Path) -> set[str]:
    return {finding.name for finding in study(path).report.findings} | TRUE_OF_PARTS.get(path.stem, set())


@pytest.mark.by_turns
@of_each
def test_some_of_the_points_show_no_fault(path: Path, tmp_path: Path) -> None:
    whole, own = capture(path), own_findings(path)
    points = sorted({record.point for record in whole.records})
    subsets = [set(some) for count in (1, 2, 3) for some in combinations(points, count)]
    for subset in random.Random(path.stem).sample(subsets, min(SUBSETS, len(subsets))):
        rest = whole.without(lambda record, subset=subset: record.point not in subset)
        assert faults(rest, tmp_path, own) == set(), subset


@pytest.mark.by_turns
@of_each
@pytest.mark.parametrize("share", [0.3, 0.7])
def test_some_of_the_time_shows_no_fault(path: Path, share: float, tmp_path: Path) -> None:
    """The capture begins late, ends early, or does so at one point only."""
    whole, own = capture(path), own_findings(path) | ASSUMED.get(path.stem, set())
    cut = int(len(whole.records) * share)
    late, early = (Capture(whole.head, records) for records in (whole.records[cut:], whole.records[:cut]))
    assert faults(late, tmp_path, own) == set()
    assert faults(early, tmp_path, own) == set()
    for point in sorted({record.point for record in whole.records}):
        is_before = [number < cut for number in range(len(whole.records))]
        one_late = tuple(
            record
            for record, before in zip(whole.records, is_before, strict=True)
            if record.point != point or not before
        )
        assert faults(Capture(whole.head, one_late), tmp_path, own) == set(), point


TRUE_OF_ONE_DIRECTION = {
    "overlay-encrypted": {"tunnel-one-way"},  # of ESP alone, which shows no more
    "bridge-internal": {"no-return-route"},  # SYNs alone, of which none is answered in truth either
}
MAC_SIDES = {"destinations": slice(0, 6), "sources": slice(6, 12)}  # octets of the Ethernet header
VXLAN_PORTS = (4789, 8472)  # filters see what is outside: the ports of Docker and of flannel
# Capture filters: what tcpdump would record.
FILTERS: dict[str, Callable[[Record], bool]] = {
    "less 100": lambda record: record.length < 100,
    "greater 100": lambda record: record.length > 100,
    "to servers": lambda record: not _is_vxlan(record) and any(0 < dport < 10_000 for *_, dport in record.tuples),
    "from servers": lambda record: not _is_vxlan(record) and any(0 < sport < 10_000 for _, sport, *_ in record.tuples),
}


@pytest.mark.by_turns
@of_each
@pytest.mark.parametrize("kept", FILTERS)
def test_capture_filter_shows_no_fault(path: Path, kept: str, tmp_path: Path) -> None:
    """Of what a filter left out nothing is known: neither an answer, nor that no octet was sent."""
    whole, own = capture(path), own_findings(path)
    filtered = whole.without(lambda record: not FILTERS[kept](record))
    assert faults(filtered, tmp_path, own) == set()


@pytest.mark.by_turns
@of_each_and_twins
@pytest.mark.parametrize("kept", ["sources", "destinations"])
def test_one_direction_shows_no_fault(path: Path, kept: str, tmp_path: Path) -> None:
    """Each point records only what one station sends, or gets: `tcpdump -Q out`, or one half of a tap."""
    whole, own = capture(path), own_findings(path) | TRUE_OF_ONE_DIRECTION.get(path.stem, set())
    macs: dict[int, Counter[bytes]] = {}
    side = MAC_SIDES[kept]
    for record in whole.records:
        if not record.frame[0] & 1:  # unicast
            macs.setdefault(record.point, Counter())[record.frame[side]] += 1
    stations = {point: counted.most_common(1)[0][0] for point, counted in macs.items()}
    half = whole.without(lambda record: record.frame[side] != stations.get(record.point))
    assert faults(half, tmp_path, own) == set()


@pytest.mark.by_turns
@of_each
def test_flow_that_stops_is_nothing_else(path: Path, tmp_path: Path) -> None:
    """A flow is seen up to a point, not behind it, and nothing answers: no other error is told."""
    whole, own, context = capture(path), own_findings(path), study(path).context
    for chain in random.Random(path.stem).sample(chains := _chains(context), min(FLOWS, len(chains))):
        hops = [(int(context.flows[row, schema.FLOW_POINT]), _tuple(context, row)) for row in chain]
        answers = {(dst, dport, src, sport) for _, (src, sport, dst, dport) in hops}
        for first in range(1, len(hops)):
            gone = set(hops[first:])
            rest = whole.without(
                lambda record, gone=gone, answers=answers: (
                    bool(record.tuples & answers) or any((record.point, tuple_) in gone for tuple_ in record.tuples)
                )
            )
            assert faults(rest, tmp_path, own, ("error",)) <= STOPS, (hops[0], hops[first])


def _is_vxlan(record: Record) -> bool:
    return any(dport in VXLAN_PORTS for *_, dport in record.tuples)


def _chains(context: Context) -> list[list[int]]:
    """Rows of the flow chains of several hops that are no ICMP errors and carry no tunnel."""
    links, chains = flow_links(context), []
    for row in np.flatnonzero(links.before < 0).tolist():
        flow = context.flows[row]
        if links.after[row] >= 0 and flow[schema.FLOW_CARRIES] <= 0 and not is_icmp_error(flow):
            chains.append([row, *links.target[links.chain(int(links.after[row]))].tolist()])
    return chains


def _tuple(context: Context, row: int) -> Tuple:
    key, has_ports = flow_key(context.flows[row]), ports(context.flows[row])[1] is not None
    return (key.src, key.sport or 0, key.dst, key.dport or 0) if has_ports else (key.src, 0, key.dst, 0)
