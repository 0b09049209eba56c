"""Probes of traceroute: packets that are meant to end on their way, each at the next router.

Input: flow table, ICMP errors about its flows. Output: a mask per flow. Method: flows of one protocol between two hosts
that start with TTLs as small as no program takes for its data, several of them, where a router says "time exceeded"
about one. The last probes, which reach their destination, or a host that answers nothing, belong to them.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import distinct, hash_of, is_among
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.schema import FlowMask
from capnet.analysis.fate.answers import quoting_errors
from capnet.analysis.fate.speakers import MAX_LINK_LOCAL_TTL
from capnet.wire.numbers import ICMP_TIME_EXCEEDED, ICMPV6_TIME_EXCEEDED

MIN_STEPS = 3  # TTLs; two may be those of two programs

_HOSTS = [*schema.FLOW_PLACE, schema.FLOW_PROTO, *schema.FLOW_ADDRESSES]


@derived
def are_route_probes(context: Context) -> FlowMask:
    """Per flow: is it one of a traceroute?"""
    flows, errors, by = context.flows, context.icmp_errors, quoting_errors(context)
    mask = np.zeros(len(flows), dtype=bool)
    quoted = np.flatnonzero(by >= 0)
    kind, is_v6 = errors[by[quoted], schema.ICMP_TYPE], errors[by[quoted], schema.ICMP_IS_V6] == 1
    expired = quoted[kind == np.where(is_v6, ICMPV6_TIME_EXCEEDED, ICMP_TIME_EXCEEDED)]
    if not len(expired):
        return mask
    lowest, highest = flows[:, schema.FLOW_TTL_MIN], flows[:, schema.FLOW_TTL_MAX]
    rows = np.flatnonzero((lowest > 0) & (highest <= MAX_LINK_LOCAL_TTL))
    hosts = hash_of(flows, _HOSTS, rows)
    is_asked = is_among(hosts, hash_of(flows, _HOSTS, expired))
    rows, hosts = rows[is_asked], hosts[is_asked]
    of_hosts = distinct(hosts)
    group = np.searchsorted(of_hosts, hosts)
    # Each TTL counts once, whether of a flow of its own (UDP, TCP) or of one flow with many (ICMP echo).
    steps = [set[int]() for _ in of_hosts]
    for number, low, high in zip(group.tolist(), lowest[rows].tolist(), highest[rows].tolist(), strict=True):
        steps[number].update(range(low, high + 1))
    mask[rows[np.array([len(ttls) >= MIN_STEPS for ttls in steps], dtype=bool)[group]]] = True
    return mask
