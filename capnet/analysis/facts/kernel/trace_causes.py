"""Which rule decided about which frame, of a capture that was made with --why.

Input: steps of the netfilter trace, missing packets, observations. Output: `Dropped`, frames that a rule dropped, and
`Rewrite`s: the source or destination NAT rule of each connection. Method: a step and a frame are the same packet if
addresses, protocol, ports and IP length are equal, and of TCP the sequence number, else the IP identification; of
equal ones (a SYN that is sent again) those within MAX_DELAY_NS. A destination that DNAT rewrote is the one that the
packet came in with. Limits: what matches two frames, or none, is counted and not attributed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import destination, ports, proto_name, source
from capnet.analysis.facts.kernel.missing_packets import MissingPackets, missing_packets
from capnet.analysis.facts.kernel.namespaces import NamespaceChanges, namespaces
from capnet.analysis.facts.kernel.netfilter.rules import Rule
from capnet.analysis.facts.kernel.trace_events import ACCEPT, DROP, SEEN, PacketKey, TraceVerdict, rule_of, steps
from capnet.quick_tuple import NamedTuple
from capnet.wire.numbers import TCP

MAX_DELAY_NS = 200_000_000  # between a frame and the rule that meets it: TCP sends again after 200 ms at the earliest
MAX_FLOWS = 100_000  # of a namespace's points, that are looked up by their addresses
REWRITES = ("SNAT", "DNAT", "MASQUERADE", "REDIRECT", "NETMAP", "snat", "dnat", "masquerade", "redirect")

FlowEnds = tuple[str, str, int | None, str, int | None]  # protocol, source and port, destination and port


class Dropped(NamedTuple):
    """Frames of one flow row that one rule dropped."""

    namespace: NamespaceChanges
    rule: Rule
    missing: MissingPackets
    frames: tuple[int, ...]
    unmatched: int  # packets that it dropped, and of which the frame is not certain


class Rewrite(NamedTuple):
    """Connections that one rule rewrote."""

    namespace: NamespaceChanges
    rule: Rule
    rows: tuple[int, ...]  # flow rows where they came in, at each point of the namespace
    connections: int


@derived
def dropped_frames(context: Context) -> list[Dropped]:
    """What rules dropped, by namespace, rule and flow."""
    missing = missing_packets(context)
    dropped = []
    for namespace in namespaces(context):
        own = {_ends_of_packet(each): each for each in missing if each.namespace is namespace}
        if not own or not namespace.trace:
            continue
        for (rule, ends), verdicts in _drops(namespace).items():
            if (each := own.get(ends)) is not None:
                frames = _frames(context, each.row, verdicts)
                dropped.append(Dropped(namespace, rule, each, frames, len(verdicts) - len(frames)))
    return dropped


@derived
def rewrites(context: Context) -> list[Rewrite]:
    """NAT rules, and the connections that each of them rewrote."""
    result = []
    for namespace in namespaces(context):
        if not namespace.trace:
            continue
        by_rule: dict[Rule, set[FlowEnds]] = {}
        origin = _origins(namespace)
        for step in steps(namespace.trace):
            rule = rule_of(namespace, step)
            if step.verdict == ACCEPT and rule.target in REWRITES:
                by_rule.setdefault(rule, set()).add(_ends(step, origin))
        rows_of = _rows_by_ends(context, namespace, {ends for of_rule in by_rule.values() for ends in of_rule})
        for rule, connections in by_rule.items():
            rows = tuple(sorted(row for ends in connections for row in rows_of.get(ends, ())))
            if rows:
                result.append(Rewrite(namespace, rule, rows, sum(ends in rows_of for ends in connections)))
    return result


def _drops(namespace: NamespaceChanges) -> dict[tuple[Rule, FlowEnds], list[TraceVerdict]]:
    """Rule and flow → the steps at which it dropped packets of the flow."""
    drops: dict[tuple[Rule, FlowEnds], list[TraceVerdict]] = {}
    origin = _origins(namespace)
    for step in steps(namespace.trace):
        if step.verdict == DROP:
            drops.setdefault((rule_of(namespace, step), _ends(step, origin)), []).append(step)
    return drops


def _origins(namespace: NamespaceChanges) -> dict[PacketKey, tuple[str, int | None]]:
    """Packet → the destination with which it came in. Of two with one key, the later one."""
    return {step.key: (step.dst, step.dport) for step in steps(namespace.trace) if step.verdict == SEEN}


def _ends(step: TraceVerdict, origin: dict[PacketKey, tuple[str, int | None]]) -> FlowEnds:
    key = step.key
    dst, dport = origin.get(key, (step.dst, step.dport))
    return key.proto, key.src, key.sport if dport is not None else None, dst, dport


def _ends_of_packet(missing: MissingPackets) -> FlowEnds:
    packet = missing.packet
    return packet.proto, packet.src, packet.sport, packet.dst, packet.dport


def _frames(context: Context, row: int, verdicts: Sequence[TraceVerdict]) -> tuple[int, ...]:
    """Frame numbers of the packets that the steps are about, as far as each has one frame."""
    seen = context.observations[context.observations[:, schema.OBS_FLOW] == row]
    is_tcp = context.flows[row, schema.FLOW_PROTO] == TCP
    numbers = seen[:, schema.OBS_FROM] if is_tcp else seen[:, schema.OBS_FROM] >> 16
    frames: list[int] = []
    for step in verdicts:
        number = step.key.seq if is_tcp else step.key.ident
        is_same = (seen[:, schema.OBS_LENGTH] == step.key.length) & (
            np.abs(seen[:, schema.OBS_TIME] - step.time) <= MAX_DELAY_NS
        )
        if number is not None:
            is_same &= numbers == number
        matching = np.flatnonzero(is_same)
        if len(matching) == 1:
            frames.append(int(seen[matching[0], schema.OBS_FRAME]))
    return tuple(sorted(set(frames)))


def _rows_by_ends(
    context: Context, namespace: NamespaceChanges, wanted: Iterable[FlowEnds]
) -> dict[FlowEnds, list[int]]:
    """Connection → the flow rows at the namespace's points with its addresses and ports."""
    numbers = [number for number, point in enumerate(context.points) if point.name in namespace.points]
    rows = np.flatnonzero(is_one_of(context.flows[:, schema.FLOW_POINT], numbers))[:MAX_FLOWS]
    wanted = set(wanted)
    found: dict[FlowEnds, list[int]] = {}
    for row in rows.tolist():
        flow = context.flows[row]
        sport, dport = ports(flow)
        ends = (proto_name(int(flow[schema.FLOW_PROTO])), source(flow), sport, destination(flow), dport)
        if ends in wanted:
            found.setdefault(ends, []).append(row)
    return found
