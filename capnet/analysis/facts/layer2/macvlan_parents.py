"""macvlan: at which card do stations speak that have interfaces of their own right behind it?

The host whose card it is cannot be heard by them: what it broadcasts goes out on the wire only. A bridge repeats its
host's broadcasts to every port.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from capnet.analysis.core.arrays import one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import is_multicast_mac
from capnet.analysis.core.schema import (
    ARP_FIRST,
    ARP_LAST,
    ARP_OPERATION,
    ARP_PACKETS,
    ARP_POINT,
    ARP_SENDER_LO,
    ARP_SENDER_MAC,
    ARP_TARGET_LO,
    ARP_VIA,
    FLOW_DMAC,
    FLOW_DST_HI,
    FLOW_DST_LO,
    FLOW_FIRST_FRAME,
    FLOW_LAST,
    FLOW_POINT,
    FLOW_SMAC,
    FLOW_SRC_HI,
    FLOW_SRC_LO,
    FLOW_VIA,
    STATION_HOW,
    STATION_MAC,
    STATION_POINT,
    STATION_VIA,
)
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.layer2.model import (
    MOST_STATIONS,
    RETRY_NS,
    Card,
    Child,
    Segments,
    own_ips,
    passed_on,
    same_network,
    unicast,
)
from capnet.analysis.facts.stations import RECEIVED, Speaker
from capnet.wire.addresses import address_text, address_value
from capnet.wire.numbers import ARP_REQUEST


def with_children(context: Context, found: Segments, point: int, translated: set[str]) -> Card | None:
    """A card whose children's own interfaces were captured too; `translated`: addresses behind NAT."""
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


def watched_alone(context: Context, found: Segments, point: int) -> Card | None:
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


def surest(cards: list[Card]) -> list[Card]:
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
    found = flow_links(context)
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


def broadcasts(context: Context) -> dict[int, dict[int, int]]:
    """Point → sender → time of its last frame to a group there: ARP requests, IP multicast and broadcast."""
    found: dict[int, dict[int, int]] = {}

    def note(point: int, mac: int, last: int) -> None:
        here = found.setdefault(point, {})
        here[mac] = max(here.get(mac, last), last)

    asked = (context.arps[:, ARP_VIA] == 0) & (context.arps[:, ARP_OPERATION] == ARP_REQUEST)
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
    answers = (
        (arps[:, ARP_OPERATION] != ARP_REQUEST) & (arps[:, ARP_SENDER_LO] == want) & (arps[:, ARP_TARGET_LO] == ask)
    )
    if answers.any():
        return 0
    asked = (arps[:, ARP_OPERATION] == ARP_REQUEST) & (arps[:, ARP_SENDER_LO] == ask) & (arps[:, ARP_TARGET_LO] == want)
    return int(arps[asked & (arps[:, ARP_POINT] == point), ARP_PACKETS].sum())


def _repeated_questions(context: Context, point: int) -> list[tuple[str, str]]:
    """(asker, target) of ARP requests at a point that were repeated like those of one who gets no answer."""
    arps = context.arps
    gaps = (arps[:, ARP_LAST] - arps[:, ARP_FIRST]) / np.maximum(arps[:, ARP_PACKETS] - 1, 1)
    rows = (arps[:, ARP_POINT] == point) & (arps[:, ARP_VIA] == 0) & (arps[:, ARP_OPERATION] == ARP_REQUEST)
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
