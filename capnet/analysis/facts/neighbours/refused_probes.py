"""Probes for an address that another station answers: the one that probes does not take the address.

A station looks for another owner before it uses an address: duplicate address detection of IPv6 (RFC 4862 section 5.4),
address conflict detection of IPv4 (RFC 5227).

Input: ARP exchanges, the ND table. Output: `RefusedProbe`s, by address. Limits: not a MAC that answers for MIN_PROXIED
addresses or more, as a proxy does; not a probe to the MAC of the owner alone, by which a switch sees that it is there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import is_multicast_mac
from capnet.analysis.core.results import Evidence
from capnet.analysis.facts.neighbours.exchanges import neighbours
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_text
from capnet.wire.numbers import ICMPV6_NEIGHBOR_ADVERTISEMENT, ICMPV6_NEIGHBOR_SOLICITATION

MAX_ANSWER_NS = 1_000_000_000  # RetransTimer (RFC 4861 section 10): the address is taken after it
MIN_PROXIED = 4  # addresses that a MAC answers for: a station has few of its own on one link


class RefusedProbe(NamedTuple):
    """An address that one station wanted, and another one has."""

    address: str
    prober: int  # MAC
    owner: int  # MAC
    evidence: list[Evidence]


@derived
def refused_probes(context: Context) -> list[RefusedProbe]:
    """Every refused probe, once for all points, by address and MACs."""
    frames: dict[tuple[str, int, int], list[Evidence]] = {}
    owned: dict[int, set[str]] = defaultdict(set)
    for refused in (*_of_arp(context), *_of_nd(context)):
        frames.setdefault(refused[:3], []).extend(refused.evidence)
        owned[refused.owner].add(refused.address)
    return [RefusedProbe(*key, sorted(set(frames[key]))) for key in sorted(frames) if len(owned[key[2]]) < MIN_PROXIED]


def _of_arp(context: Context) -> Iterator[RefusedProbe]:
    for of in neighbours(context):
        owners = [mac for mac in of.target_macs if mac not in (of.asker_mac, 0)]
        is_soon = 0 <= of.first_reply - of.first_request <= MAX_ANSWER_NS
        is_to_all = of.requests > of.unicast_requests
        if of.kind == "arp" and of.is_probe and is_to_all and owners and is_soon and of.asker_mac > 0:
            frames = [context.evidence(of.point, frame) for frame in (of.request_frame, of.reply_frame)]
            yield from (RefusedProbe(of.target, of.asker_mac, owner, frames) for owner in owners)


def _of_nd(context: Context) -> Iterator[RefusedProbe]:
    answers: dict[tuple[int, ...], list[list[int]]] = defaultdict(list)
    rows = context.nd.tolist()
    for row in rows:
        # What answers a probe goes to all nodes (RFC 4861 section 7.2.4).
        if row[schema.ND_TYPE] == ICMPV6_NEIGHBOR_ADVERTISEMENT and is_multicast_mac(row[schema.ND_ETH_DESTINATION]):
            answers[_target(row)].append(row)
    for row in rows:
        is_probe = row[schema.ND_TYPE] == ICMPV6_NEIGHBOR_SOLICITATION
        is_probe = is_probe and not row[schema.ND_SRC_HI] | row[schema.ND_SRC_LO]
        is_probe = is_probe and is_multicast_mac(row[schema.ND_ETH_DESTINATION])
        for answer in answers[_target(row)] if is_probe else ():
            prober, owner = row[schema.ND_ETH_SOURCE], answer[schema.ND_ETH_SOURCE]
            is_soon = 0 <= answer[schema.ND_FIRST] - row[schema.ND_FIRST] <= MAX_ANSWER_NS
            if is_soon and 0 < prober != owner > 0:
                frames = [context.evidence(of[schema.ND_POINT], of[schema.ND_FIRST_FRAME]) for of in (row, answer)]
                yield RefusedProbe(address_text(*row[schema.ND_TARGET_HI : schema.ND_MAC]), prober, owner, frames)


def _target(row: list[int]) -> tuple[int, ...]:
    """Point, tunnel and target address of a message."""
    return tuple(row[: schema.ND_TYPE] + row[schema.ND_TARGET_HI : schema.ND_MAC])
