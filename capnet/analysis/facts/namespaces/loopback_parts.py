"""Captures of several network namespaces, each with a loopback of its own: 127.0.0.11 of two containers is two servers.

Input: a context. Output: contexts in which no two namespaces have the same loopback addresses, for findings that
reason on addresses. Method: a point's namespace is that of its host and container; of two files that say neither, each
has its own. What a namespace sends from loopback address to loopback address goes nowhere else, and becomes a part. The
rest keeps that of one namespace at most: that of the only host, where processes answer for containers.
Limits: MAX_PARTS namespaces; link-local addresses belong to links, and stay.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import distinct, is_one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import is_loopback
from capnet.analysis.core.results import Point
from capnet.analysis.core.schema import Mask, Values
from capnet.quick_tuple import NamedTuple

MAX_PARTS = 64  # a bridge of a host has up to 1023 ports, a capture rarely more than tens

_ENDS = {
    "flows": schema.FLOW_ADDRESSES,
    "icmp_errors": (schema.ICMP_SRC_HI, schema.ICMP_SRC_LO, schema.ICMP_DST_HI, schema.ICMP_DST_LO),
    "syns": (schema.SYN_SRC_HI, schema.SYN_SRC_LO, schema.SYN_DST_HI, schema.SYN_DST_LO),
}
_DNS_ENDS = (schema.DNS_SRC_HI, schema.DNS_SRC_LO, schema.DNS_DST_HI, schema.DNS_DST_LO)
_MESSAGES = ("sctp", "ike", "bgp", "stream_starts", "tls_alerts", "advertised")  # fields with addresses of their ends


class Part(NamedTuple):
    """What a finding is asked for, and the host and container whose loopback traffic it is, if it is that alone."""

    context: Context
    namespace: str = ""


@derived
def loopback_parts(context: Context) -> list[Part]:
    """The context alone where one namespace has loopback traffic at most; else the rest, and a part of each other."""
    flows = context.flows
    is_local = _are_local(flows[:, list(_ENDS["flows"])])
    if not is_local.any():
        return [Part(context)]
    namespace_of = _namespaces(context.points)
    present = distinct(namespace_of[flows[is_local, schema.FLOW_POINT]]).tolist()
    if len(present) < 2:
        return [Part(context)]
    hosts = [number for number in present if _is_host(context.points, namespace_of, number)]
    parted = [number for number in present if [number] != hosts][:MAX_PARTS]
    is_parted = is_one_of(namespace_of, parted)
    rest = _chosen(context, lambda points, local: ~(local & is_parted[points]))
    return [Part(rest), *(_part(context, namespace_of == number) for number in parted)]


def _part(context: Context, is_of_namespace: Mask) -> Part:
    point = context.points[int(np.flatnonzero(is_of_namespace)[0])]
    name = "/".join(part for part in (point.host, point.container) if part) or point.name
    return Part(_chosen(context, lambda points, local: local & is_of_namespace[points]), name)


def _namespaces(points: list[Point]) -> Values:
    """Per point: the number of its network namespace."""
    keys = [
        (point.host, point.container, "" if point.host or point.container or point.device else point.file)
        for point in points
    ]
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    return np.array([numbers[key] for key in keys] or [0], dtype=np.int64)


def _is_host(points: list[Point], namespace_of: Values, number: int) -> bool:
    return points[int(np.flatnonzero(namespace_of == number)[0])].container is None


def _are_local(ends: Values) -> Mask:
    """Per row of two addresses, in halves: are both loopback addresses?"""
    local: Mask = _is_local(ends[:, 0], ends[:, 1]) & _is_local(ends[:, 2], ends[:, 3])
    return local


def _is_local(high: Values, low: Values) -> Mask:
    mask: Mask = is_loopback(high, low) | ((high == 0) & (low == 1))
    return mask


def _chosen(context: Context, is_chosen: Any) -> Context:
    """The context with what `is_chosen` has of points and of whether both ends are loopback addresses."""
    keep = {
        name: is_chosen(table[:, 0], _are_local(table[:, list(ends)]))
        for name, ends in _ENDS.items()
        for table in (getattr(context, name),)
    }
    flow_rows, observations = np.cumsum(keep["flows"]) - 1, context.observations
    observations = observations[keep["flows"][observations[:, schema.OBS_FLOW]]]
    observations[:, schema.OBS_FLOW] = flow_rows[observations[:, schema.OBS_FLOW]]
    dns = context.dns.table
    fields: dict[str, Any] = {name: getattr(context, name)[rows] for name, rows in keep.items()}
    fields |= {name: list(_messages(getattr(context, name), is_chosen)) for name in _MESSAGES}
    return replace(
        context,
        observations=observations,
        dns=replace(context.dns, table=dns[is_chosen(dns[:, schema.DNS_POINT], _are_local(dns[:, list(_DNS_ENDS)]))]),
        derived={},
        **fields,
    )


def _messages(messages: Iterable[Any], is_chosen: Any) -> Iterable[Any]:
    for message in messages:
        ends = np.array([[message.src_hi, message.src_lo, message.dst_hi, message.dst_lo]], dtype=np.int64)
        if is_chosen(np.array([message.point]), _are_local(ends))[0]:
            yield message
