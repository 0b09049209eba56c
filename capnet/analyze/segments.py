"""Who sits where on layer 2, judged from frames alone: never from the name of a point.

* A station's own interface is a point where every unicast frame is from it or to it (`stations.home_points`).
* A *card with children* is a point at which stations speak that have interfaces of their own right behind it, while
  the host whose card it is cannot be heard there: what it broadcasts goes out on the wire only. That is macvlan; a
  bridge repeats its host's broadcasts to every port.
* A *shared MAC* speaks for several addresses of its own, at several interfaces: ipvlan.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from ipaddress import ip_address
from itertools import pairwise

import numpy as np

from capnet.analyze.columns import (
    ARP_FIRST,
    ARP_FIRST_FRAME,
    ARP_LAST,
    ARP_OPERATION,
    ARP_PACKETS,
    ARP_POINT,
    ARP_SENDER_LO,
    ARP_SENDER_MAC,
    ARP_TARGET_LO,
    ARP_VIA,
    ARP_VIA_VNI,
    FLOW_DMAC,
    FLOW_DST_HI,
    FLOW_DST_LO,
    FLOW_FIRST,
    FLOW_FIRST_FRAME,
    FLOW_LAST,
    FLOW_POINT,
    FLOW_PROTO,
    FLOW_SMAC,
    FLOW_SRC_HI,
    FLOW_SRC_LO,
    FLOW_VIA,
    STATION_HOW,
    STATION_MAC,
    STATION_POINT,
    STATION_VIA,
)
from capnet.analyze.context import Context
from capnet.analyze.facts import Evidence
from capnet.analyze.identity import links
from capnet.analyze.rows import TCP, UDP, destination, is_multicast, is_multicast_mac, one_of, source
from capnet.analyze.stations import RECEIVED, Speaker, home_points, speakers
from capnet.wire.frames import address_text, address_value

REQUEST = 1
RETRY_NS = 2_000_000_000  # between repetitions of an ARP request that nobody answers, at most
LOCAL = "127.0.0.1"
_NAME_SERVER = address_value("127.0.0.11")[1]  # Docker's own, in every container on a network with a name
MOST_STATIONS = 256  # at one point: beyond, it is a backbone and no card of a host


def own_ips(speaker: Speaker) -> list[str]:
    """IPv4 addresses of a station itself, without link-local ones, loopback and groups."""
    if speaker.own_v4 is None:
        speaker.own_v4 = sorted(filter(_is_station, speaker.own), key=address_value) if speaker.own else []
    return speaker.own_v4


def _is_station(ip: str) -> bool:
    first = ip.partition(".")[0]
    return ":" not in ip and 0 < int(first) < 224 and first != "127" and not ip.startswith("169.254.")


def passed_on(speaker: Speaker) -> list[str]:
    """Addresses whose packets a MAC only forwards. Link-local ones never cross a router (RFC 4007)."""
    if not speaker.forwarded:
        return []
    return sorted(
        (ip for ip in speaker.forwarded if not is_multicast(ip) and not ip_address(ip).is_link_local),
        key=address_value,
    )


def network_of(address: str) -> str:
    """The network of an IPv4 address, judged by a usual prefix length: its first three octets."""
    return address.rpartition(".")[0]


def same_network(addresses: list[str]) -> bool:
    """Do IPv4 addresses share a network?"""
    return len({network_of(address) for address in addresses}) == 1


@dataclass
class Child:
    """A station with one address and an interface of its own behind a card."""

    mac: int
    ip: str
    leaf: int  # point that is its own interface


@dataclass
class Card:
    """A network card (point `point`) behind which stations of its network have interfaces of their own."""

    point: int
    children: list[Child]
    outsiders: dict[int, str]  # MAC → address: stations of the same network that are beyond the wire
    host: int | None = None  # MAC of the host whose card it is, where its broadcasts do not reach the children
    host_ip: str | None = None
    in_vain: bool = False  # the host asked for a child's address by ARP and got no answer
    inward: list[Evidence] = field(default_factory=list)  # frames between children, at this point
    only_inside: bool = False  # those frames are missing on the wire, where outsiders listened
    watched_alone: bool = False  # seen at this point only: no child's own interface was captured
    sure: float = 0.0  # how sure it is that this is macvlan, 0 to 1, by what of this was seen


@dataclass
class SharedMac:
    """One MAC with several IPv4 addresses of its own."""

    mac: int
    at: dict[int, list[str]]  # point → its addresses there
    named: list[str]  # of them, those that it claimed in ARP
    interfaces: dict[int, str] = field(default_factory=dict)  # point → the one address that has a part in all there
    mirrored: list[int] = field(default_factory=list)  # rows of flows from this MAC to itself, between two addresses

    @property
    def ips(self) -> list[str]:
        return sorted({ip for ips in self.at.values() for ip in ips}, key=address_value)

    @property
    def proven(self) -> bool:
        """Were two interfaces with this MAC seen? Otherwise it may be one host's, or a gateway's."""
        return bool(self.mirrored) or len(set(self.interfaces.values())) > 1


@dataclass
class Claims:
    """An IPv4 address that more than one MAC claims in ARP at one point."""

    point: int
    ip: str
    by: dict[int, tuple[int, int, int]]  # MAC → times of the first and last claim, frame of the first

    @property
    def at_once(self) -> bool:
        """Do claims of one fall between claims of another? Otherwise the address has moved."""
        spans = sorted((first, last) for first, last, _ in self.by.values())
        return any(later[0] <= earlier[1] for earlier, later in pairwise(spans))


@dataclass
class Talk:
    """A conversation that stays inside one network namespace, seen at a loopback point."""

    point: int
    ip: str  # the address that talks to itself
    frame: int


@dataclass
class Segments:
    """What `segments` returns; points are numbers, MACs too."""

    at: dict[int, dict[int, Speaker]]  # point → who speaks there outside of tunnels
    homes: dict[int, list[int]]  # MAC → points that are its own interface
    loopbacks: set[int]
    silent: set[int]  # points that heard nothing that was sent to somebody
    broadcasts: dict[int, dict[int, int]]  # point → sender → time of its last frame to a group
    cards: list[Card] = field(default_factory=list)
    shared: list[SharedMac] = field(default_factory=list)
    talks: list[Talk] = field(default_factory=list)


def segments(context: Context) -> Segments:
    """Who sits where; computed once per context."""
    if context.segments is None:
        context.segments = _segments(context)
    return context.segments


def _segments(context: Context) -> Segments:
    loopbacks = {point for point in range(len(context.points)) if _is_loopback(context, point)}
    others = [point for point in range(len(context.points)) if point not in loopbacks]
    found = Segments(
        at={point: speakers(context, point, bare=True) for point in others},
        homes=home_points(context),
        loopbacks=loopbacks,
        silent={point for point in others if not len(unicast(context, point))},
        broadcasts=_broadcasts(context),
    )
    found.talks = _talks(context, loopbacks)
    translated = {row.before.src for row in context.nat_facts if "snat" in row.kind}
    translated |= {row.after.dst for row in context.nat_facts if "dnat" in row.kind}
    cards = [_card(context, found, point, translated) or _strangers(context, found, point) for point in others]
    found.cards = _best([card for card in cards if card])
    # On a bridge, hairpin NAT puts the host's address into frames of a container's MAC.
    outer = {row.after.src for row in context.nat_facts if "snat" in row.kind}
    outer |= {row.before.dst for row in context.nat_facts if "dnat" in row.kind}
    found.shared = _shared(context, found, outer)
    return found


def unicast(context: Context, point: int) -> np.ndarray:
    """Rows of the flows at a point, outside of tunnels, that were sent to one station."""
    flows = context.flows
    here = (flows[:, FLOW_POINT] == point) & (flows[:, FLOW_VIA] == 0)
    group = (flows[:, FLOW_DMAC] > 0) & (flows[:, FLOW_DMAC] >> 40 & 1 == 1)
    v4 = _is_v4(flows[:, FLOW_DST_HI], flows[:, FLOW_DST_LO])
    address = flows[:, FLOW_DST_LO] & 0xFFFFFFFF
    group |= v4 & ((address >> 28 == 14) | (address == 0xFFFFFFFF))
    group |= ~v4 & (flows[:, FLOW_DST_HI] >> 56 & 0xFF == 0xFF)
    return np.flatnonzero(here & ~group)


def _is_v4(hi: np.ndarray, lo: np.ndarray) -> np.ndarray:
    return (hi == 0) & (lo >> 32 == 0xFFFF)


def _is_local(hi: np.ndarray, lo: np.ndarray) -> np.ndarray:
    """Per address: 127.0.0.0/8 or ::1."""
    return (_is_v4(hi, lo) & (lo >> 24 & 0xFF == 127)) | ((hi == 0) & (lo == 1))


# -- loopback -----------------------------------------------------------------------------------------
def _is_loopback(context: Context, point: int) -> bool:
    """No MAC addresses, and nobody but a host with itself: 127.0.0.0/8, ::1 or an address with itself."""
    flows = context.flows
    at = flows[:, FLOW_POINT] == point
    if not at.any():
        return context.points[point].role == "loopback"
    if any((flows[at, side] > 0).any() for side in (FLOW_SMAC, FLOW_DMAC)):
        return False
    here = flows[at]
    macs = here[:, [FLOW_SMAC, FLOW_DMAC]]
    if (macs == 0).all():
        return True  # Linux gives lo the MAC 00:00:00:00:00:00
    return bool(_with_itself(here).all())


def _with_itself(flows: np.ndarray) -> np.ndarray:
    """Per flow: an address that talks to itself, or both ends are loopback addresses."""
    src, dst = (FLOW_SRC_HI, FLOW_SRC_LO), (FLOW_DST_HI, FLOW_DST_LO)
    same = (flows[:, src] == flows[:, dst]).all(axis=1) & (flows[:, src] != 0).any(axis=1)
    local = [_is_local(flows[:, hi], flows[:, lo]) for hi, lo in (src, dst)]
    return same | (local[0] & local[1])


def _talks(context: Context, loopbacks: set[int]) -> list[Talk]:
    """Conversations over loopback, one per address and point; without Docker's own name server (127.0.0.11)."""
    flows = context.flows
    wanted = one_of(flows[:, FLOW_POINT], loopbacks) & (flows[:, FLOW_VIA] == 0) & _with_itself(flows)
    wanted &= one_of(flows[:, FLOW_PROTO], (TCP, UDP))
    for lo in (FLOW_SRC_LO, FLOW_DST_LO):
        wanted &= flows[:, lo] != _NAME_SERVER
    rows = flows[wanted]
    rows = rows[np.argsort(rows[:, FLOW_FIRST], kind="stable")]
    keys, first = np.unique(rows[:, [FLOW_POINT, FLOW_SRC_HI, FLOW_SRC_LO]], axis=0, return_index=True)
    found: dict[tuple[int, str], int] = {}
    for (point, hi, lo), row in zip(keys.tolist(), first.tolist(), strict=True):
        ip = address_text(hi, lo)
        found.setdefault(
            (point, LOCAL if ip == "::1" or ip.startswith("127.") else ip), int(rows[row, FLOW_FIRST_FRAME])
        )
    return [Talk(point, ip, frame) for (point, ip), frame in found.items()]


# -- macvlan --------------------------------------------------------------------------------------------
def _card(context: Context, found: Segments, point: int, translated: set[str]) -> Card | None:
    here = found.at[point]
    if len(here) > MOST_STATIONS or context.points[point].role in ("veth", "bridge", "overlay", "container"):
        return None
    # What forwards is a gateway or the bridge itself; what is translated behind a host is not on the host's network.
    single = {
        mac: own_ips(each)[0]
        for mac, each in here.items()
        if not is_multicast_mac(mac) and len(own_ips(each)) == 1 and not passed_on(each)
    }
    single = {mac: ip for mac, ip in single.items() if ip not in translated and point in here[mac].points}
    adjacent = _next_to(context, point)
    leaves = {
        mac: leaf
        for mac in single
        for leaf in found.homes.get(mac, ())
        if leaf in adjacent and point not in found.homes.get(mac, ())
    }
    if not leaves:
        return None
    host, deaf = _unheard(context, found, point, {mac: (single[mac], leaf) for mac, leaf in leaves.items()}) or (
        None,
        set(),
    )
    containers = {mac for mac, leaf in leaves.items() if context.points[leaf].role == "container"}
    children = [
        mac for mac in leaves if (mac in containers or not containers) and (host is None or leaves[mac] in deaf)
    ]
    if not children or not same_network([single[mac] for mac in children]):
        return None
    net = single[children[0]]
    card = Card(
        point,
        children=sorted(
            (Child(mac, single[mac], leaves[mac]) for mac in children), key=lambda child: address_value(child.ip)
        ),
        outsiders={
            mac: ip for mac, ip in single.items() if mac not in children and mac != host and same_network([ip, net])
        },
    )
    if host is not None:
        card.host = host
        card.host_ip = next((ip for ip in own_ips(here.get(host, Speaker(host)))), None)
        card.in_vain = any(
            asked_in_vain(context, point, card.host_ip, child.ip) for child in card.children if card.host_ip
        )
    _between(context, found, card)
    # Somebody's own interface has nobody behind it; without the host's silence, children and outsiders look alike.
    owned = any(point in points for points in found.homes.values())
    base = 0.3 if owned else 0.65 if host is not None else 0.6 if containers else 0.3
    extra = 0.15 * card.in_vain + 0.1 * card.only_inside + 0.05 * (len(children) > 1) + 0.04 * bool(card.outsiders)
    if host is None and (len(children) == 1 or _revolves(context, point)):
        base, extra = 0.2, 0.0
    card.sure = round(min(base + extra, 0.97), 2)
    return card


def _revolves(context: Context, point: int) -> bool:
    """Is one MAC at an end of everything there? Then it is that station's interface, or the end of a veth."""
    flows = context.flows[unicast(context, point)]
    counts = Counter([*flows[:, FLOW_SMAC].tolist(), *flows[:, FLOW_DMAC].tolist()])
    return any(count >= len(flows) for count in counts.values())


def _strangers(context: Context, found: Segments, point: int) -> Card | None:
    """A card watched alone: stations on it that one host asks for again and again in vain, though they speak.

    Requests a minute apart prove nothing: on a switched network, the answers to others are not seen. A second apart,
    they are repetitions of a question that got no answer (RFC 1122 section 2.3.2.1 limits them to one a second).
    """
    here = found.at[point]
    if len(here) > MOST_STATIONS:
        return None
    single = {mac: own_ips(each)[0] for mac, each in here.items() if len(own_ips(each)) == 1 and not passed_on(each)}
    owner = {ip: mac for mac, ip in single.items()}
    children: dict[str, dict[int, Child]] = {}
    for ip, other in _repeated_questions(context, point):
        if ip in owner and other in owner and ip != other and same_network([ip, other]):
            children.setdefault(ip, {})[owner[other]] = Child(owner[other], other, point)
    if not children:
        return None
    ip = min(children, key=lambda each: (-len(children[each]), address_value(each)))
    asked = sorted(children[ip].values(), key=lambda child: address_value(child.ip))
    macs = {owner[ip], *children[ip]}
    others = {mac: other for mac, other in single.items() if mac not in macs}
    card = Card(point, asked, others, owner[ip], ip, True, watched_alone=True, sure=0.6)
    _between(context, found, card)
    return card


def _best(cards: list[Card]) -> list[Card]:
    """Of several cards that claim the same children, the surest."""
    taken: set[int] = set()
    kept = []
    for card in sorted(cards, key=lambda card: (-card.sure, card.point)):
        macs = {child.mac for child in card.children}
        if not macs & taken:
            kept.append(card)
            taken |= macs | set(card.outsiders)
    return kept


def _next_to(context: Context, point: int) -> set[int]:
    """Points from which packets come right to this one, or go to, as they are: same addresses, same TTL, same MACs."""
    found = links(context)
    flows = context.flows
    one, two = flows[found.source], flows[found.target]
    same = [FLOW_SRC_HI, FLOW_SRC_LO, FLOW_DST_HI, FLOW_DST_LO, FLOW_SMAC, FLOW_DMAC, FLOW_VIA]
    kept = (one[:, same] == two[:, same]).all(axis=1) & (found.ttl_delta == 0) & (one[:, FLOW_VIA] == 0)
    before = one[kept & (two[:, FLOW_POINT] == point), FLOW_POINT]
    after = two[kept & (one[:, FLOW_POINT] == point), FLOW_POINT]
    return {int(each) for each in np.concatenate([before, after])}


def _unheard(
    context: Context, found: Segments, point: int, leaves: dict[int, tuple[str, int]]
) -> tuple[int, set[int]] | None:
    """(MAC, deaf points): who broadcasts at this point and is never heard at interfaces right behind it.

    Only a leaf on the same network that was listening at the time, and heard others' broadcasts, can be deaf. Of
    several such MACs, the one that most leaves are deaf to.
    """
    best: tuple[int, set[int]] | None = None
    senders = {leaf: _senders(context, leaf) for _, leaf in leaves.values()}
    for mac, last in sorted(found.broadcasts.get(point, {}).items()):
        speaker = found.at[point].get(mac)
        if speaker is None or mac in leaves or passed_on(speaker) or not own_ips(speaker):
            continue
        deaf = set()
        for ip, leaf in leaves.values():
            first = context.points[leaf].first
            listening = first is not None and first <= last and bool(found.broadcasts.get(leaf))
            near = any(same_network([ip, own]) for own in own_ips(speaker))
            if near and listening and mac not in senders[leaf]:
                deaf.add(leaf)
        if deaf and (best is None or len(deaf) > len(best[1])):
            best = mac, deaf
    return best


def _broadcasts(context: Context) -> dict[int, dict[int, int]]:
    """Point → sender → time of its last frame to a group there: ARP requests, IP multicast and broadcast."""
    found: dict[int, dict[int, int]] = {}

    def note(point: int, mac: int, last: int) -> None:
        here = found.setdefault(point, {})
        here[mac] = max(here.get(mac, last), last)

    asked = (context.arps[:, ARP_VIA] == 0) & (context.arps[:, ARP_OPERATION] == REQUEST)
    for row in context.arps[asked][:, [ARP_POINT, ARP_SENDER_MAC, ARP_LAST]].tolist():
        note(*row)
    flows = context.flows
    group = (flows[:, FLOW_VIA] == 0) & (flows[:, FLOW_SMAC] > 0) & (flows[:, FLOW_DMAC] > 0)
    group &= flows[:, FLOW_DMAC] >> 40 & 1 == 1
    for row in flows[group][:, [FLOW_POINT, FLOW_SMAC, FLOW_LAST]].tolist():
        note(*row)
    return found


def _senders(context: Context, point: int) -> set[int]:
    table = context.stations
    rows = (table[:, STATION_POINT] == point) & (table[:, STATION_VIA] == 0) & (table[:, STATION_HOW] != RECEIVED)
    return set(table[rows, STATION_MAC].tolist())


def asked_in_vain(context: Context, point: int, asker: str, target: str) -> int:
    """How often `asker` asked for `target` by ARP at a point without an answer at any; 0 if there was one."""
    ask, want = address_value(asker)[1], address_value(target)[1]
    arps = context.arps[context.arps[:, ARP_VIA] == 0]
    answers = (arps[:, ARP_OPERATION] != REQUEST) & (arps[:, ARP_SENDER_LO] == want) & (arps[:, ARP_TARGET_LO] == ask)
    if answers.any():
        return 0
    asked = (arps[:, ARP_OPERATION] == REQUEST) & (arps[:, ARP_SENDER_LO] == ask) & (arps[:, ARP_TARGET_LO] == want)
    return int(arps[asked & (arps[:, ARP_POINT] == point), ARP_PACKETS].sum())


def _repeated_questions(context: Context, point: int) -> list[tuple[str, str]]:
    """(asker, target) of ARP requests at a point that were repeated like those of one who gets no answer."""
    arps = context.arps
    gaps = (arps[:, ARP_LAST] - arps[:, ARP_FIRST]) / np.maximum(arps[:, ARP_PACKETS] - 1, 1)
    rows = (arps[:, ARP_POINT] == point) & (arps[:, ARP_VIA] == 0) & (arps[:, ARP_OPERATION] == REQUEST)
    rows &= (arps[:, ARP_PACKETS] >= 3) & (gaps <= RETRY_NS)
    pairs = [
        (address_text(0, sender), address_text(0, target))
        for sender, target in arps[rows][:MOST_STATIONS][:, [ARP_SENDER_LO, ARP_TARGET_LO]].tolist()
    ]
    return [(asker, target) for asker, target in pairs if asked_in_vain(context, point, asker, target)]


def _between(context: Context, found: Segments, card: Card) -> None:
    """Are frames between children seen at the card, and missing where the outsiders listen?"""
    flows = context.flows
    macs = [child.mac for child in card.children]
    inner = one_of(flows[:, FLOW_SMAC], macs) & one_of(flows[:, FLOW_DMAC], macs) & (flows[:, FLOW_VIA] == 0)
    inner &= flows[:, FLOW_SMAC] != flows[:, FLOW_DMAC]
    here = np.flatnonzero(inner & (flows[:, FLOW_POINT] == card.point))
    card.inward = [context.flow_evidence(row, int(flows[row, FLOW_FIRST_FRAME])) for row in here.tolist()[:4]]
    beyond = {leaf for mac in card.outsiders for leaf in found.homes.get(mac, ()) if leaf != card.point}
    heard = {point for point in beyond if len(unicast(context, point))}
    card.only_inside = bool(len(here) and heard) and not one_of(flows[inner, FLOW_POINT], heard).any()


def rival_claims(context: Context) -> list[Claims]:
    """Addresses with several MACs, by point and VNI. A probe has no sender address and claims nothing (RFC 5227)."""
    found: dict[tuple[int, int, int], dict[int, tuple[int, int, int]]] = {}
    fields = [ARP_POINT, ARP_VIA_VNI, ARP_SENDER_LO, ARP_SENDER_MAC, ARP_FIRST, ARP_LAST, ARP_FIRST_FRAME]
    claims = context.arps[:, fields]
    _, which, often = np.unique(claims[:, 2], return_inverse=True, return_counts=True)
    claims = claims[often[which.reshape(-1)] > 1]  # what only one row names has no rival
    for point, vni, sender, mac, first, last, frame in claims.tolist():
        if sender & 0xFFFFFFFF and mac > 0:
            by = found.setdefault((point, vni, sender), {})
            known = by.get(mac, (first, last, frame))
            by[mac] = min(known[0], first), max(known[1], last), min(known[2], frame)
    return [
        Claims(point, address_text(0, sender), by) for (point, _, sender), by in sorted(found.items()) if len(by) > 1
    ]


# -- ipvlan and namespaces ---------------------------------------------------------------------------------------------
def _shared(context: Context, found: Segments, outer: set[str]) -> list[SharedMac]:
    """`outer`: addresses that only NAT has put into packets."""
    shared: dict[int, SharedMac] = {}
    for point, here in found.at.items():
        for mac, each in here.items():
            own = [ip for ip in own_ips(each) if ip not in outer or ip in each.named]
            if own and not is_multicast_mac(mac):
                one = shared.setdefault(mac, SharedMac(mac, {}, []))
                one.at[point] = own
                one.named = sorted({*one.named, *(each.named & set(own))}, key=address_value)
    several = [each for each in shared.values() if len(each.ips) > 1]
    for one in several:
        ips = set(one.ips)
        rows = mirrored(context, one.mac)
        one.mirrored = [
            row for row in rows.tolist() if not {source(context.flows[row]), destination(context.flows[row])} & outer
        ]
        for point in one.at:
            alone = sorted(_with_a_part_in_all(context, point) & ips)
            if len(alone) == 1 and point in found.homes.get(one.mac, ()):
                one.interfaces[point] = alone[0]
    return several


def _with_a_part_in_all(context: Context, point: int) -> set[str]:
    """Addresses that everything sent to one station at a point is from or to: ends of the first flow, if any."""
    flows = context.flows[unicast(context, point)]
    if not len(flows):
        return set()
    found = set()
    for ip in {source(flows[0]), destination(flows[0])}:
        hi, lo = address_value(ip)
        mine = (flows[:, FLOW_SRC_HI] == hi) & (flows[:, FLOW_SRC_LO] == lo)
        mine |= (flows[:, FLOW_DST_HI] == hi) & (flows[:, FLOW_DST_LO] == lo)
        if mine.all():
            found.add(ip)
    return found


def mirrored(context: Context, mac: int) -> np.ndarray:
    """Rows of flows from a MAC to itself between two addresses: both ends have the card's MAC."""
    flows = context.flows
    rows = (flows[:, FLOW_SMAC] == mac) & (flows[:, FLOW_DMAC] == mac) & (flows[:, FLOW_VIA] == 0)
    rows &= (flows[:, [FLOW_SRC_HI, FLOW_SRC_LO]] != flows[:, [FLOW_DST_HI, FLOW_DST_LO]]).any(axis=1)
    return np.flatnonzero(rows)
