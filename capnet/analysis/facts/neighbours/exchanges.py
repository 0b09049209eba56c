"""Neighbours: who asked for the MAC address of whom, by ARP or Neighbor Discovery, and who answered, at each point.

Input: the ARP table and the ND table of the pass. Output: `Exchange`s, one per point, tunnel, asker (MAC and address)
and target address, by the time of the first message. Limits: replies are counted for all askers with the address that
they go to; of a flood of pairs, those that the tables keep (`aggregate.limits`, `payload.nd`).

Absence proves little: a switch shows the broadcast request on every port, and the unicast reply on two of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.contract.keys import MAX_LISTED
from capnet.analysis.core.contract.outcomes import Neighbour
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import is_multicast, is_multicast_mac
from capnet.quick_dataclass import state
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_text, mac_text
from capnet.wire.fields import ABSENT
from capnet.wire.numbers import (
    ARP_REPLY,
    ARP_REQUEST,
    ICMPV6_NEIGHBOR_ADVERTISEMENT,
    ICMPV6_NEIGHBOR_SOLICITATION,
)


class Exchange(NamedTuple):
    """The requests of one asker for one address at one point, and the replies to them. Times are ns, -1 if none."""

    kind: str  # `arp` or `nd`
    point: int
    via: int  # kind of tunnel that the messages are in (`fields.VIA`), 0 = none
    vni: int  # its id
    asker_mac: int  # as the request says, else its Ethernet source; -1 = no request or no Ethernet
    asker: str  # IP address; `0.0.0.0` or `::` of a probe (RFC 5227, RFC 4862)
    target: str  # IP address
    requests: int  # 0: replies to a question that the point does not show, or announcements
    unicast_requests: int  # of them, sent to the target's MAC alone: it was known, and is probed (RFC 4861 section 7.3)
    first_request: int
    last_request: int
    request_frame: int  # -1 if none
    replies: int  # from any MAC to the asker's address
    first_reply: int
    last_reply: int
    reply_frame: int
    target_macs: tuple[int, ...]  # that replies give for the target, sorted

    @property
    def is_probe(self) -> bool:
        """Does the asker look for another owner of an address that it is about to take?"""
        return self.asker in ("0.0.0.0", "::")

    @property
    def is_announcement(self) -> bool:
        """Does a station announce its own address (gratuitous ARP, unsolicited advertisement)?"""
        return self.asker == self.target

    @property
    def request_gap(self) -> float:
        """Mean time between two requests [ns]; 0 if there is one."""
        return (self.last_request - self.first_request) / max(self.requests - 1, 1)


class _Pair(NamedTuple):
    """Who asks for whom, where."""

    kind: str
    point: int
    via: int
    vni: int
    asker: str
    target: str


class _Message(NamedTuple):
    """A row of either table in the words of both."""

    pair: _Pair
    is_reply: bool
    mac: int  # of the asker; of a reply, the target's
    is_unicast: bool
    packets: int
    first: int
    last: int
    frame: int


@state
class _Counts:
    """Messages of one kind about one pair of addresses."""

    packets: int = 0
    unicast: int = 0
    first: int = -1
    last: int = -1
    frame: int = -1
    macs: set[int] = field(default_factory=set)

    def add(self, message: _Message) -> None:
        self.packets += message.packets
        self.unicast += message.packets * message.is_unicast
        if self.frame < 0 or message.first < self.first:
            self.first, self.frame = message.first, message.frame
        self.last = max(self.last, message.last)
        if message.mac > 0:
            self.macs.add(message.mac)


@derived
def neighbours(context: Context) -> list[Exchange]:
    """All exchanges, by point and the time of the first message."""
    requests: dict[tuple[_Pair, int], _Counts] = {}
    replies: dict[_Pair, _Counts] = {}
    for message in [*_arp(context), *_nd(context)]:
        if message.is_reply:
            counts = replies.setdefault(message.pair, _Counts())
        else:
            counts = requests.setdefault((message.pair, message.mac), _Counts())
        counts.add(message)
    asked = {pair for pair, _ in requests}
    exchanges = [_exchange(pair, mac, counts, replies.get(pair, _NONE)) for (pair, mac), counts in requests.items()]
    exchanges += [_exchange(pair, ABSENT, _NONE, counts) for pair, counts in replies.items() if pair not in asked]
    return sorted(exchanges, key=lambda of: (of.point, _first(of), of.kind, of.asker, of.target, of.asker_mac, of.vni))


_NONE = _Counts()


def _exchange(pair: _Pair, asker_mac: int, requests: _Counts, replies: _Counts) -> Exchange:
    return Exchange(
        pair.kind, pair.point, pair.via, pair.vni, asker_mac, pair.asker, pair.target,
        requests.packets, requests.unicast, requests.first, requests.last, requests.frame,
        replies.packets, replies.first, replies.last, replies.frame, tuple(sorted(replies.macs)),
    )  # fmt: skip


def _first(exchange: Exchange) -> int:
    return min(time for time in (exchange.first_request, exchange.first_reply) if time >= 0)


def _arp(context: Context) -> Iterator[_Message]:
    for row in context.arps.tolist():
        operation = row[schema.ARP_OPERATION]
        if operation not in (ARP_REQUEST, ARP_REPLY):
            continue
        is_reply = operation == ARP_REPLY
        sender, other = (address_text(0, row[column]) for column in (schema.ARP_SENDER_LO, schema.ARP_TARGET_LO))
        asker, target = (other, sender) if is_reply else (sender, other)
        yield _Message(
            _Pair("arp", row[schema.ARP_POINT], row[schema.ARP_VIA], row[schema.ARP_VIA_VNI], asker, target),
            is_reply, row[schema.ARP_SENDER_MAC], _is_unicast(row[schema.ARP_ETH_DESTINATION]),
            _packets(context, row), row[schema.ARP_FIRST], row[schema.ARP_LAST], row[schema.ARP_FIRST_FRAME],
        )  # fmt: skip


def _packets(context: Context, row: list[int]) -> int:
    """How many messages a row of the ARP table counts.

    A capture at `any` without interface numbers has one at each interface that it passes. They are those of one second:
    a host asks once a second at most (RFC 1122 section 2.3.2.1).
    """
    packets = row[schema.ARP_PACKETS]
    if context.points[row[schema.ARP_POINT]].linktype != "LINUX_SLL":
        return packets
    return max(round(packets / row[schema.ARP_BURST]), 1)


def _nd(context: Context) -> Iterator[_Message]:
    for row in context.nd.tolist():
        kind = row[schema.ND_TYPE]
        if kind not in (ICMPV6_NEIGHBOR_SOLICITATION, ICMPV6_NEIGHBOR_ADVERTISEMENT):
            continue
        source, destination, target = (
            address_text(row[high], row[high + 1]) for high in (schema.ND_SRC_HI, schema.ND_DST_HI, schema.ND_TARGET_HI)
        )
        is_reply = kind == ICMPV6_NEIGHBOR_ADVERTISEMENT
        asker = source
        if is_reply:  # to all nodes: unsolicited, or to a probe (RFC 4861 section 7.2.4)
            asker = target if is_multicast(destination) else destination
        yield _Message(
            _Pair("nd", row[schema.ND_POINT], row[schema.ND_VIA], row[schema.ND_VIA_VNI], asker, target),
            is_reply, row[schema.ND_MAC] if row[schema.ND_MAC] > 0 else row[schema.ND_ETH_SOURCE],
            _is_unicast(row[schema.ND_ETH_DESTINATION]),
            row[schema.ND_PACKETS], row[schema.ND_FIRST], row[schema.ND_LAST], row[schema.ND_FIRST_FRAME],
        )  # fmt: skip


def _is_unicast(mac: int) -> bool:
    return mac > 0 and not is_multicast_mac(mac)


def neighbour_facts(context: Context) -> list[Neighbour]:
    """Who asked for whom, as a report has it: what got no answer first, then most requests, at most MAX_LISTED.

    Announcements, and replies without a request, are left out.
    """
    asked = [exchange for exchange in neighbours(context) if exchange.requests and not exchange.is_announcement]
    asked.sort(key=lambda of: (of.replies > 0, of.is_probe, -of.requests))  # stable, as `contract.order` sorts
    return [_fact(context, exchange) for exchange in asked[:MAX_LISTED]]


def _fact(context: Context, exchange: Exchange) -> Neighbour:
    frames = [frame for frame in (exchange.request_frame, exchange.reply_frame) if frame > 0]
    return Neighbour(
        kind=exchange.kind,
        point=context.points[exchange.point].name,
        vni=exchange.vni if exchange.via and exchange.vni >= 0 else None,
        asker=exchange.asker,
        asker_mac=mac_text(exchange.asker_mac) if exchange.asker_mac >= 0 else None,
        target=exchange.target,
        target_macs=[mac_text(mac) for mac in exchange.target_macs],
        asked=exchange.requests,
        answered=exchange.replies,
        first=exchange.first_request,
        last=exchange.last_request,
        evidence=[context.evidence(exchange.point, frame) for frame in sorted(frames)],
    )
