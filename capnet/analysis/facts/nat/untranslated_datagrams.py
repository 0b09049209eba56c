"""Untranslated datagrams: UDP flows to a translated service that go on in vain, while others' are translated.

Input: flow links that rewrite the destination, replies. Output: one `VainFlow` per suspicious flow, at most MAX_FLOWS:
datagrams of it are missing behind the translation, or it goes on though the other direction is quiet.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import hash_of, is_among
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import replies
from capnet.analysis.core.schema import FlowRows, Values
from capnet.analysis.correlate.duplicates import packets_without_duplicates
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.fate.next_points import is_answered
from capnet.quick_tuple import NamedTuple
from capnet.wire.numbers import UDP

MIN_IN_VAIN = 2  # datagrams: one alone may be on its way when the capture ends
MIN_QUIET_NS = 2_000_000_000  # after the last packet of the other direction: a busy server answers sooner
MAX_FLOWS = 1000  # that are looked at one by one

_SERVICE = [schema.FLOW_POINT, schema.FLOW_PROTO, *schema.FLOW_DST_END]


class VainFlow(NamedTuple):
    """A UDP flow whose datagrams have no effect, and another sender's flow to the same service."""

    row: int
    inside: int  # row that it is translated to, -1 if that was not seen
    packets: int  # datagrams that are missing behind the translation
    other: int  # row of the other sender's flow
    other_inside: int  # row that this is translated to, another address


@derived
def vain_flows(context: Context) -> list[VainFlow]:
    """UDP flows of a service that is translated for others, of which datagrams went nowhere."""
    flows, links = context.flows, flow_links(context)
    is_dnat = flows[links.source, schema.FLOW_PROTO] == UDP
    before, after = (flows[rows[:, None], schema.FLOW_DST] for rows in (links.source, links.target))
    is_dnat &= (before != after).any(axis=1)
    dnats = np.flatnonzero(is_dnat)
    if not len(dnats):
        return []
    services = hash_of(flows, _SERVICE)
    is_candidate = (flows[:, schema.FLOW_PROTO] == UDP) & (packets_without_duplicates(context) >= MIN_IN_VAIN)
    is_candidate &= is_among(services, services[links.source[dnats]])
    in_vain = np.where(links.after >= 0, links.missing[links.after], packets_without_duplicates(context))
    in_vain[(links.after < 0) & is_answered(context)] = 0
    is_quiet = np.zeros(len(flows), dtype=bool)
    is_quiet[links.source[dnats]] = _quiet_ns(context, links.target[dnats]) >= MIN_QUIET_NS
    links_of_service: dict[int, list[int]] = {}
    for link, service in zip(dnats.tolist(), services[links.source[dnats]].tolist(), strict=True):
        links_of_service.setdefault(service, []).append(link)
    suspects = []
    for row in np.flatnonzero(is_candidate & ((in_vain >= MIN_IN_VAIN) | is_quiet))[:MAX_FLOWS].tolist():
        link = int(links.after[row])
        inside = int(links.target[link]) if link >= 0 else -1
        if inside >= 0 and not is_dnat[link]:
            continue
        other = _other_translation(context, links_of_service[int(services[row])], row, inside)
        if other >= 0:
            ends = int(links.source[other]), int(links.target[other])
            suspects.append(VainFlow(row, inside, int(in_vain[row]), *ends))
    return suspects


def _quiet_ns(context: Context, rows: FlowRows) -> Values:
    """How long each flow went on after the last packet of its other direction."""
    flows, answers = context.flows, replies(context)[rows]
    since = np.where(answers >= 0, flows[answers, schema.FLOW_LAST], flows[rows, schema.FLOW_FIRST])
    return flows[rows, schema.FLOW_LAST] - since


def _other_translation(context: Context, dnats: list[int], row: int, inside: int) -> int:
    """The first of these links by which another flow is translated to another address, after the row's own; else -1."""
    flows, links = context.flows, flow_links(context)
    for link in dnats:
        target = int(links.target[link])
        if links.source[link] == row:
            continue
        is_elsewhere = inside < 0 or (flows[target, schema.FLOW_DST] != flows[inside, schema.FLOW_DST]).any()
        is_later = inside < 0 or flows[target, schema.FLOW_LAST] > flows[inside, schema.FLOW_LAST]
        if is_elsewhere and is_later:
            return link
    return -1
