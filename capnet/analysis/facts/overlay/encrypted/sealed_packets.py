"""ESP that reaches a host and stays sealed: nothing comes out at the devices of its encrypted overlay networks.

Input: flows, ARP messages, the topology (which networks are encrypted, who is on them, whose address is whose), when
points listened, counters of the kernel. Output: `SealedPackets`, one per host.
Method: Docker encrypts all that VXLAN carries for these networks between two hosts. What comes out at a device of the
network has the MAC of a container of another host. Limits: hosts of which a device of each encrypted network that they
are on was captured, all the time.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_among
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, source
from capnet.analysis.core.schema import FlowRows
from capnet.analysis.correlate.clocks import flow_spans
from capnet.analysis.facts.kernel.namespaces import namespaces
from capnet.analysis.fate.listening import listening
from capnet.quick_tuple import NamedTuple
from capnet.topology import Topology
from capnet.wire.addresses import mac_value
from capnet.wire.protocols.ipsec import TUNNEL_ESP

# Counters of /proc/net/xfrm_stat (Documentation/networking/xfrm_proc.rst) of packets that a host cannot open.
XFRM_STAT = "/proc/net/xfrm_stat"
NO_STATE = ("XfrmInNoStates",)
NOT_OPENED = ("XfrmInStateProtoError", "XfrmInStateSeqError", "XfrmInStateExpired", "XfrmInStateInvalid")


class SealedPackets(NamedTuple):
    """ESP packets to a host out of which nothing came."""

    host: str
    networks: list[str]  # the encrypted ones that the host is on
    senders: list[str]
    rows: FlowRows  # at the host's own interface
    packets: int
    inner: list[int]  # points of these networks
    is_heard: bool  # they are certain to have listened all the time
    counters: dict[str, int]  # those of the above that rose → by how much; empty if they are unknown

    @property
    def failing(self) -> str | None:
        """The counter that rose as often as there are packets: the host could not open them."""
        return next((name for name, count in self.counters.items() if count >= self.packets), None)


def sealed_packets(context: Context) -> list[SealedPackets]:
    """By host."""
    if context.topology is None or not (context.flows[:, schema.FLOW_CARRIES] == TUNNEL_ESP).any():
        return []
    return list(_sealed(context, context.topology))


def _sealed(context: Context, topology: Topology) -> Iterator[SealedPackets]:
    encrypted = {of.name for of in topology.networks if of.driver == "overlay" and "encrypted" in of.options}
    for host in topology.hosts:
        own = set(host.ips)
        ends = [end for of in topology.containers if of.host == host.name for end in of.endpoints]
        networks = sorted({end.network for end in ends} & encrypted)
        points = {
            name: [
                number for number, of in enumerate(context.points) if of.name.startswith(f"{host.name}/overlay:{name}/")
            ]
            for name in networks
        }
        inner = [number for numbers in points.values() for number in numbers]
        rows = _arriving(context, host.name, own)
        if not (networks and len(rows) and all(points.values())):
            continue
        macs = [mac_value(end.mac) for end in ends if end.mac and end.network in encrypted]
        if _is_anything_else(context, inner, macs) or not _have_listened(context, inner, rows, certainly=False):
            continue
        flows = context.flows
        counters = _counters(context, {context.points[flows[row, schema.FLOW_POINT]].name for row in rows})
        if counters is not None and not counters:
            continue  # the kernel has opened all of them: they are of something else, or dropped inside
        yield SealedPackets(
            host.name, networks, sorted({source(flows[row]) for row in rows}), rows,
            int(flows[rows, schema.FLOW_PACKETS].sum()), inner, _have_listened(context, inner, rows, certainly=True),
            counters or {},
        )  # fmt: skip


def _arriving(context: Context, host: str, addresses: set[str]) -> FlowRows:
    """Flows of ESP to the host at one of its own interfaces, the one with the most."""
    flows = context.flows
    rows = np.flatnonzero((flows[:, schema.FLOW_CARRIES] == TUNNEL_ESP) & (flows[:, schema.FLOW_VIA] == 0))
    by_point: dict[int, list[int]] = {}
    for row in rows.tolist():
        point = context.points[flows[row, schema.FLOW_POINT]]
        if point.host == host and point.role in ("parent", "underlay") and destination(flows[row]) in addresses:
            by_point.setdefault(int(flows[row, schema.FLOW_POINT]), []).append(row)
    return np.array(max(by_point.values(), key=len, default=[]), np.int64)


def _is_anything_else(context: Context, points: list[int], macs: list[int]) -> bool:
    """Do these points show a frame of another MAC than these?"""
    for table, point, mac in (
        (context.flows, schema.FLOW_POINT, schema.FLOW_SMAC),
        (context.arps, schema.ARP_POINT, schema.ARP_ETH_SOURCE),
    ):
        is_there = is_among(table[:, point], np.array(points, np.int64))
        if (is_there & ~is_among(table[:, mac], np.array(macs, np.int64))).any():
            return True
    return False


def _have_listened(context: Context, points: list[int], rows: FlowRows, *, certainly: bool) -> bool:
    times, (first, last) = listening(context), flow_spans(context)
    since, until = (times.heard_from, times.heard_to) if certainly else (times.since, times.until)
    return bool((since[points] <= first[rows].min()).all() and (until[points] >= last[rows].max()).all())


def _counters(context: Context, points: set[str]) -> dict[str, int] | None:
    """The counters that rose in the namespace of these points; None if it was not asked for them."""
    asked = {
        witness.name
        for witness in (context.witnesses.namespaces if context.witnesses else [])
        if points & set(witness.points) and witness.before and witness.after
        and {XFRM_STAT} <= witness.before.outputs.keys() & witness.after.outputs.keys()
    }  # fmt: skip
    for namespace in namespaces(context):
        if namespace.name in asked:
            return {name: namespace.counters[name] for name in NO_STATE + NOT_OPENED if name in namespace.counters}
    return None
