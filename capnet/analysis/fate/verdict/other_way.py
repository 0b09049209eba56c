"""SYN-ACKs that take another way than the SYNs: by another interface of the server's host, or of the client's.

Input: flows, flow chains and links, which addresses a station has, the names of points. Output: the point to which
SYN-ACKs go on instead, and whether they leave the host that got the SYNs there or come to the one that sent them.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_among
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, host_of, replies, source
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.fate.next_points import chain_of
from capnet.analysis.fate.speakers import speakers

OtherWay = Literal["leave", "return", "seen"]  # the server, to the client's host, or it is not known whose that is


def elsewhere_of(context: Context, answers: list[int], due: int) -> int:
    """The one point at which all these SYN-ACKs go on though they are due at another one of its host, else -1.

    The point that alone shows them, whosever it is.
    """
    links, flows = flow_links(context), context.flows
    if due < 0:
        return -1
    if replies(context)[answers[0]] < 0:
        return int(flows[answers[0], schema.FLOW_POINT])
    ends = set()
    for row in answers:
        while links.after[row] >= 0:
            row = int(links.target[links.after[row]])
        ends.add(int(flows[row, schema.FLOW_POINT]))
    hosts = {host_of(context.points[point].name) for point in (*ends, due)}
    own = {int(point) for point in flows[answers, schema.FLOW_POINT].tolist()}
    return ends.pop() if len(ends) == 1 and len(hosts) == 1 and not ends & {*own, due} else -1


def other_way_of(context: Context, last_rows: list[int], answers: list[int], due: int, elsewhere: int) -> OtherWay:
    """Whether the SYN-ACKs leave the host that got the SYNs, or come to the one from which the SYNs left."""
    flows, host = context.flows, host_of_point(context, due)
    if elsewhere < 0 or host is None or host != host_of_point(context, elsewhere):
        return "seen"
    inside = container_of_points(context, due, elsewhere)
    if inside is not None:  # an earlier hop in it: it forwards the SYNs
        passed = flows[is_among(chain_of(context), chain_of(context)[last_rows]), schema.FLOW_POINT].tolist()
        is_passed_on = any(container_of_points(context, due, point) for point in {*passed} - {due})
        return "return" if is_passed_on else "leave"
    if replies(context)[answers[0]] >= 0:
        answered_at = host_of_point(context, int(flows[answers[0], schema.FLOW_POINT]))
        return "leave" if answered_at == host else "return"
    chain = np.flatnonzero(is_among(chain_of(context), chain_of(context)[last_rows]))
    before = chain[flow_links(context).after[chain] >= 0]
    if any(host_of_point(context, point) == host for point in set(flows[before, schema.FLOW_POINT].tolist())):
        return "return"
    (leaves, arrives) = (
        all(
            _owns(context, int(flows[row, schema.FLOW_POINT]), int(flows[row, mac]), end(flows[row]))
            for row in last_rows
        )
        for mac, end in ((schema.FLOW_DMAC, destination), (schema.FLOW_SMAC, source))
    )
    return "leave" if leaves else "return" if arrives else "seen"


def container_of_points(context: Context, *points: int) -> str | None:
    """The namespace of a container, HOST/NAME, whose interfaces all of these points are."""
    namespaces = {context.points[point].name.rpartition("/")[0] for point in points}
    (namespace, *others) = namespaces
    return namespace if not others and "/" in namespace else None


def _owns(context: Context, point: int, mac: int, address: str) -> bool:
    """Does a station at a point have an address of its own?"""
    speaker = speakers(context, point, outside_tunnels=True).get(mac)
    return speaker is not None and (address in speaker.own or address in speaker.claimed)


def host_of_point(context: Context, point: int) -> str | None:
    """The host that the name of a point begins with; None if it names none."""
    return host_of(context.points[point].name)
