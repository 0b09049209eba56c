"""Loopback: which capture points are a loopback interface, and which addresses talk to themselves there."""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.schema import FlowMask, FlowTable, Mask, Values
from capnet.analysis.facts.layer2.model import LOOPBACK_IP, LoopbackConversation, is_v4
from capnet.analysis.user_mode_networks import ports_of_processes
from capnet.wire.addresses import address_text, address_value
from capnet.wire.numbers import TCP, UDP

_DOCKER_DNS_LO = address_value("127.0.0.11")[1]  # Docker's name server, in every container on a user-defined network


def is_loopback_point(context: Context, point: int) -> bool:
    """Does a point show no MAC addresses, and only loopback addresses or addresses that talk to themselves?"""
    flow_rows = np.flatnonzero(context.flows[:, schema.FLOW_POINT] == point)
    if not len(flow_rows):
        return context.points[point].role == "loopback"
    source_mac, destination_mac = (
        context.flows[:, column][flow_rows] for column in (schema.FLOW_SMAC, schema.FLOW_DMAC)
    )
    if (source_mac > 0).any() or (destination_mac > 0).any():
        return False
    if not source_mac.any() and not destination_mac.any():
        return True  # Linux gives lo the MAC 00:00:00:00:00:00
    return bool(_is_with_itself(context.flows[flow_rows]).all())


def loopback_conversations(context: Context, points: set[int]) -> list[LoopbackConversation]:
    """TCP and UDP conversations at loopback points, one per address and point.

    Without Docker's name server, and without what rootlessport brings to published ports.
    """
    flows = context.flows
    if not points:
        return []
    is_chosen = (
        is_one_of(flows[:, schema.FLOW_POINT], points) & (flows[:, schema.FLOW_VIA] == 0) & _is_with_itself(flows)
    )
    is_chosen &= is_one_of(flows[:, schema.FLOW_PROTO], (TCP, UDP))
    for column in (schema.FLOW_SRC_LO, schema.FLOW_DST_LO):
        is_chosen &= flows[:, column] != _DOCKER_DNS_LO
    for point, ports in ports_of_processes(context).items():
        is_brought = is_one_of(flows[:, schema.FLOW_SPORT], ports) | is_one_of(flows[:, schema.FLOW_DPORT], ports)
        is_chosen &= ~(is_brought & (flows[:, schema.FLOW_POINT] == point))
    rows = flows[is_chosen]
    rows = rows[np.argsort(rows[:, schema.FLOW_FIRST], kind="stable")]
    keys, first_rows = np.unique(rows[:, [schema.FLOW_POINT, *schema.FLOW_SRC]], axis=0, return_index=True)
    frames: dict[tuple[int, str], int] = {}
    for (point, hi, lo), row in zip(keys.tolist(), first_rows.tolist(), strict=True):
        ip = address_text(hi, lo)
        if ip == "::1" or ip.startswith("127."):
            ip = LOOPBACK_IP
        frames.setdefault((point, ip), int(rows[row, schema.FLOW_FIRST_FRAME]))
    return [LoopbackConversation(point, ip, frame) for (point, ip), frame in frames.items()]


def _is_with_itself(flows: FlowTable) -> FlowMask:
    """Has a flow the same address at both ends, or a loopback address at each?"""
    sources = flows[:, schema.FLOW_SRC]
    same = (sources == flows[:, schema.FLOW_DST]).all(axis=1) & (sources != 0).any(axis=1)
    source_is_local = _is_local(flows[:, schema.FLOW_SRC_HI], flows[:, schema.FLOW_SRC_LO])
    destination_is_local = _is_local(flows[:, schema.FLOW_DST_HI], flows[:, schema.FLOW_DST_LO])
    with_itself: FlowMask = same | (source_is_local & destination_is_local)
    return with_itself


def _is_local(hi: Values, lo: Values) -> Mask:
    """Is an address in 127.0.0.0/8, or ::1? `hi` and `lo` are its halves."""
    return (is_v4(hi, lo) & (lo >> 24 & 0xFF == 127)) | ((hi == 0) & (lo == 1))
