"""Stations that claim one address: at once, in turn, or one after the other.

Input: ARP and ND tables. Output: `Rivals`, one per address and set of MACs. Method: both answer the same question
within a second, their claims overlap in time, or one began when the other had ended. Not rivals: virtual routers, a
proxy that answers for many or for a station that it sends to, two cards of one host that answer for each other
(`claims.hosts_of_macs`), a man in the middle (`facts.neighbours.forged_replies`), a host that repeats its guests'
frames in its own name. Limits: claims by ARP and Neighbor Discovery only; where a point shows several links, both have
to answer one asker.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from enum import IntEnum
from itertools import combinations, pairwise

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import is_multicast_mac, is_virtual_router
from capnet.analysis.core.results import Evidence
from capnet.analysis.facts.layer2.claims.hosts_of_macs import (
    answers_for_another,
    are_of_one_host,
    are_of_several_hosts,
)
from capnet.analysis.facts.layer2.vlans import shows_several_links
from capnet.analysis.facts.neighbours.forged_replies import forged_claims
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_text
from capnet.wire.fields import ABSENT
from capnet.wire.numbers import ARP_REPLY, ARP_REQUEST, ICMPV6_NEIGHBOR_ADVERTISEMENT

MAX_ROUND_NS = 1_000_000_000  # a question is sent again after a second, so later replies answer another one
MIN_RESTART_NS = 300_000_000  # a container is made anew in half a second; all answer a question sooner
MAX_ANSWERS = 16  # rows of answers to one asker that are compared
MAX_REPEAT_NS = 100_000  # a host repeats a guest's frame in some 10 µs; two stations do not ask as soon each time
MIN_REPEATS = 3  # of questions: fewer may be by chance
MIN_PROXIED = 4  # addresses that a MAC answers for: a station has few of its own on one link


class How(IntEnum):
    """How rivals claim the address, the worst first."""

    AT_ONCE = 0  # they answer the same questions
    IN_TURN = 1  # their claims overlap
    MOVED = 2  # one began when the other had ended
    ANNOUNCED = 3  # so, and said so to all stations


class Rivals(NamedTuple):
    """An address that several MACs claim."""

    address: str
    macs: tuple[int, ...]
    how: How
    evidence: list[Evidence]
    own: dict[int, list[str]]  # MAC → other addresses that it alone claims
    are_several: bool  # they are shown to be of several hosts; else they may be cards of one

    @property
    def is_service(self) -> bool:
        """Has each of them an address of its own beside this one? Then it is one of a service."""
        return all(self.own.values())

    @property
    def is_duplicate(self) -> bool:
        """Do several stations have it at the same time? Not the address of a service, nor one that moves on."""
        return self.how in (How.AT_ONCE, How.IN_TURN) and not self.is_service


class _Claim(NamedTuple):
    """One row of a table: a MAC says to a station, or to all, that it has an address."""

    first: int
    last: int
    mac: int
    frame: int
    to: str  # who asked; empty for an announcement
    is_announcement: bool


_Place = tuple[int, int, int]  # point, tunnel, VNI
_Link = tuple[_Place, int]  # and VLAN: one address in two VLANs is that of two links; -1: untagged, or of ND


@derived
def rival_stations(context: Context) -> list[Rivals]:
    """All rivals, by address and MACs."""
    claims: dict[_Link, dict[str, list[_Claim]]] = defaultdict(lambda: defaultdict(list))
    for link, address, claim in (*_arp(context), *_nd(context)):
        claims[link][address].append(claim)
    found: dict[tuple[str, tuple[int, ...]], Rivals] = {}
    for (place, _), by_address in sorted(claims.items()):
        addresses_of = _addresses_of(by_address)
        proxies = _proxies(context, place, by_address)
        for address, spoken in by_address.items():
            macs = tuple(sorted({claim.mac for claim in spoken}))
            if len(macs) < 2 or _are_no_rivals(macs, addresses_of):
                continue
            if ":" not in address and (proxies & {*macs} or are_of_one_host(context, place, address, macs)):
                continue
            first_frames = (min(claim for claim in spoken if claim.mac == mac).frame for mac in macs)
            evidence = [context.evidence(place[0], frame) for frame in first_frames]
            how = _how(spoken)
            if how == How.IN_TURN and shows_several_links(context)[place[0]]:
                continue  # two cards of one host, each on its own link
            own = {mac: sorted(of for of in addresses_of[mac] if _is_only(by_address[of])) for mac in macs}
            are_several = ":" in address or are_of_several_hosts(
                context, place, address, macs
            )  # IPv6 has no such cards
            rivals = Rivals(address, macs, how, evidence, own, are_several)
            earlier = found.setdefault((address, macs), rivals)
            if earlier is not rivals:
                how = min(earlier.how, rivals.how)
                are_several = earlier.are_several or are_several
                evidence = [*earlier.evidence, *evidence]
                found[address, macs] = earlier._replace(how=how, evidence=evidence, are_several=are_several)
    return [found[key] for key in sorted(found)]


def _addresses_of(by_address: dict[str, list[_Claim]]) -> dict[int, set[str]]:
    """MAC → addresses that it claims at one place."""
    addresses: dict[int, set[str]] = defaultdict(set)
    for address, spoken in by_address.items():
        for claim in spoken:
            addresses[claim.mac].add(address)
    return addresses


def _is_only(spoken: list[_Claim]) -> bool:
    return len({claim.mac for claim in spoken}) == 1


def _are_no_rivals(macs: tuple[int, ...], addresses_of: dict[int, set[str]]) -> bool:
    """Virtual routers, a proxy, or cards of one host that answer for all of its addresses (arp_ignore 0)."""
    is_virtual = any(is_virtual_router(mac) for mac in macs)
    is_proxy = any(len(addresses_of[mac]) >= MIN_PROXIED for mac in macs)
    are_cards = any(len(addresses_of[mac] & addresses_of[other]) > 1 for mac, other in combinations(macs, 2))
    return is_virtual or is_proxy or are_cards


def _proxies(context: Context, place: _Place, by_address: dict[str, list[_Claim]]) -> set[int]:
    """MACs that answer for another station, as they send to it or ask for it, where that answers for itself as well."""
    proxies = set()
    for address, spoken in by_address.items():
        if ":" in address or _is_only(spoken):
            continue
        times: dict[int, tuple[int, int]] = {}
        for claim in spoken:
            first, last = times.get(claim.mac, (claim.first, claim.last))
            times[claim.mac] = min(first, claim.first), max(last, claim.last)
        proxies |= {mac for mac, span in times.items() if answers_for_another(context, place, address, mac, span)}
    return proxies


def _how(spoken: list[_Claim]) -> How:
    """How the MACs of these claims share an address."""
    by_asker: dict[str, list[_Claim]] = defaultdict(list)
    for claim in spoken:
        by_asker[claim.to].append(claim)
    by_asker.pop("", None)
    for answers in by_asker.values():
        for claim, other in combinations(answers[:MAX_ANSWERS], 2):
            apart_ns = min(abs(claim.first - other.first), abs(claim.last - other.last))
            is_over = claim.last < other.first or other.last < claim.first
            if claim.mac != other.mac and apart_ns <= (MIN_RESTART_NS if is_over else MAX_ROUND_NS):
                return How.AT_ONCE
    spans: dict[int, tuple[int, int]] = {}
    for claim in spoken:
        first, last = spans.get(claim.mac, (claim.first, claim.last))
        spans[claim.mac] = min(first, claim.first), max(last, claim.last)
    by_time = sorted((*span, mac) for mac, span in spans.items())
    newest = by_time[-1][2]
    if any(claim.mac == newest and claim.is_announcement for claim in spoken):
        return How.ANNOUNCED
    overlaps = any(later[0] <= earlier[1] for earlier, later in pairwise(by_time))
    return How.IN_TURN if overlaps else How.MOVED


def _arp(context: Context) -> Iterator[tuple[_Link, str, _Claim]]:
    not_its_own = false_claims(context)
    for row in context.arps.tolist():
        sender, target = row[schema.ARP_SENDER_LO], row[schema.ARP_TARGET_LO]
        # A probe claims nothing (RFC 5227). A MAC that is not the frame's own is damaged, or a relay's.
        is_own = row[schema.ARP_SENDER_MAC] > 0 and row[schema.ARP_ETH_SOURCE] in (row[schema.ARP_SENDER_MAC], ABSENT)
        is_false = (tuple(row[: schema.ARP_OPERATION]), sender, row[schema.ARP_SENDER_MAC]) in not_its_own
        if sender & 0xFFFFFFFF and is_own and not is_false:
            is_answer = row[schema.ARP_OPERATION] == ARP_REPLY and sender != target and bool(target & 0xFFFFFFFF)
            claim = _Claim(
                row[schema.ARP_FIRST], row[schema.ARP_LAST], row[schema.ARP_SENDER_MAC], row[schema.ARP_FIRST_FRAME],
                address_text(0, target) if is_answer else "", sender == target,
            )  # fmt: skip
            yield (tuple(row[: schema.ARP_OPERATION]), row[schema.ARP_VLAN]), address_text(0, sender), claim


@derived
def false_claims(context: Context) -> set[tuple[_Place, int, int]]:
    """Place, address and MAC that says that it has this address, and does not: a forger, or a host for a guest."""
    return forged_claims(context) | _repeated_claims(context)


def _repeated_claims(context: Context) -> set[tuple[_Place, int, int]]:
    """Place, address and MAC of a host that repeats the questions of its guests in its own name, at once.

    Wi-Fi carries frames of its own stations only, so a hypervisor that has guests on it puts its own MAC in.
    """
    arps = context.arps[context.arps[:, schema.ARP_OPERATION] == ARP_REQUEST]
    question = [schema.ARP_POINT, schema.ARP_VIA, schema.ARP_VIA_VNI, schema.ARP_SENDER_LO, schema.ARP_TARGET_LO]
    arps = arps[np.lexsort((arps[:, schema.ARP_FIRST], *arps[:, question].T))]
    is_as_before = np.append(False, (arps[1:, question] == arps[:-1, question]).all(axis=1))[: len(arps)]
    times = [schema.ARP_FIRST, schema.ARP_LAST]
    apart = np.zeros((len(arps), len(times)), dtype=np.int64)
    apart[1:] = arps[1:, times] - arps[:-1, times]
    repeats = ((apart >= 0) & (apart <= MAX_REPEAT_NS)).sum(axis=1) * is_as_before
    repeats = np.minimum(repeats, arps[:, schema.ARP_PACKETS])  # first and last may be one
    repeated: dict[tuple[_Place, int], dict[int, int]] = defaultdict(dict)  # place and MAC → address → repeats, 0 = own
    for row, times_repeated in zip(arps.tolist(), repeats.tolist(), strict=True):
        by_address = repeated[tuple(row[: schema.ARP_OPERATION]), row[schema.ARP_SENDER_MAC]]
        address = row[schema.ARP_SENDER_LO]
        is_own = not times_repeated or by_address.get(address) == 0
        by_address[address] = 0 if is_own else by_address.get(address, 0) + times_repeated
    return {
        (place, address, mac)
        for (place, mac), by_address in repeated.items()
        # A host repeats what several guests ask, or asks under its own address as well; a rival has one address.
        if len(by_address) > 1 and sum(by_address.values()) >= MIN_REPEATS
        for address, number in by_address.items()
        if number
    }


def _nd(context: Context) -> Iterator[tuple[_Link, str, _Claim]]:
    for row in context.nd.tolist():
        times = row[schema.ND_FIRST], row[schema.ND_LAST]
        mac, frame = row[schema.ND_ETH_SOURCE], row[schema.ND_FIRST_FRAME]
        if mac > 0 and row[schema.ND_TYPE] == ICMPV6_NEIGHBOR_ADVERTISEMENT:
            is_to_all = is_multicast_mac(row[schema.ND_ETH_DESTINATION])
            to = "" if is_to_all else address_text(row[schema.ND_DST_HI], row[schema.ND_DST_LO])
            target = address_text(row[schema.ND_TARGET_HI], row[schema.ND_TARGET_LO])
            yield (tuple(row[: schema.ND_TYPE]), ABSENT), target, _Claim(*times, mac, frame, to, is_to_all)
        elif mac > 0 and row[schema.ND_SRC_HI]:  # of a probe, ::
            source = address_text(row[schema.ND_SRC_HI], row[schema.ND_SRC_LO])
            yield (tuple(row[: schema.ND_TYPE]), ABSENT), source, _Claim(*times, mac, frame, "", False)
