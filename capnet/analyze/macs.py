"""What do the MAC addresses at each point mean: shared, distinct, a router's, or claimed twice?

* `router`: a MAC that passes on packets of addresses that are not its own (their TTL is no longer an initial one, or
  others claim the address).
* `shared`: several addresses of its own behind one MAC: ipvlan L2, or containers that share a network namespace.
* `distinct`: several MACs, each with one address of the same network, behind one network card: macvlan.
* `duplicate-ip`: one address claimed by two MACs in ARP.
"""

from __future__ import annotations

from collections import defaultdict
from ipaddress import ip_address, ip_network

import numpy as np

from capnet.analyze.columns import (
    ARP_FIRST_FRAME,
    ARP_POINT,
    ARP_SENDER_LO,
    ARP_SENDER_MAC,
    ARP_VIA_VNI,
    STATION_FIRST_FRAME,
    STATION_HOW,
    STATION_IP_HI,
    STATION_IP_LO,
    STATION_MAC,
    STATION_POINT,
)
from capnet.analyze.context import Context
from capnet.analyze.facts import Evidence, MacVerdict
from capnet.analyze.rows import is_multicast, is_multicast_mac, plural
from capnet.analyze.stations import RECEIVED, Speaker, home_points, speakers
from capnet.wire.frames import address_text, address_value, mac_text


def conclude(context: Context) -> list[MacVerdict]:
    """Verdicts point by point."""
    homes = home_points(context)
    verdicts = []
    for point in range(len(context.points)):
        here = [each for each in speakers(context, point).values() if not is_multicast_mac(each.mac)]
        for speaker in here:
            verdicts += _one(context, point, speaker)
        verdicts += _distinct(context, point, here, homes)
    return verdicts + _duplicates(context)


def own_ips(speaker: Speaker) -> list[str]:
    """IPv4 addresses of a station itself, without link-local ones."""
    values = [ip for ip in speaker.own if not is_multicast(ip) and ":" not in ip and not ip_address(ip).is_link_local]
    return sorted(values, key=address_value)


def _one(context: Context, point: int, speaker: Speaker) -> list[MacVerdict]:
    mac, where = mac_text(speaker.mac), context.points[point].name
    # Link-local addresses never cross a router (RFC 4007): one that seems passed on is a veth's or bridge's own.
    routable = (ip for ip in speaker.forwarded if not is_multicast(ip) and not ip_address(ip).is_link_local)
    passed = sorted(routable, key=address_value)
    own = own_ips(speaker)
    if passed:
        addresses = "1 address" if len(passed) == 1 else f"{len(passed)} addresses"
        because = f"{mac} sends packets of {addresses} that others own or that were routed before: it forwards"
        return [MacVerdict("router", [mac], passed[:16], where, because, _frames(context, point, speaker.mac, passed))]
    if len(own) > 1 and context.points[point].role not in ("loopback", "bridge"):
        because = f"{mac} speaks for {len(own)} addresses of its own, none of them forwarded"
        return [MacVerdict("shared", [mac], own, where, because, _frames(context, point, speaker.mac, own))]
    return []


def _distinct(context: Context, point: int, here: list[Speaker], homes: dict[int, list[int]]) -> list[MacVerdict]:
    """Several stations of one network behind one card: only where the point is such a card."""
    if context.points[point].role != "parent":
        return []
    behind = [each for each in here if len(own_ips(each)) == 1 and not each.forwarded]
    inside = {mac for mac, points in homes.items() if any(context.points[p].role == "container" for p in points)}
    children = [each for each in behind if each.mac in inside]
    if not children:
        return []
    macs = sorted(mac_text(each.mac) for each in children)
    ips = sorted((own_ips(each)[0] for each in children), key=address_value)
    because = f"{plural(len(macs), 'container')} with a MAC of its own on the network of this card"
    evidence = [
        frame for each in children for frame in _frames(context, point, each.mac, own_ips(each))[:2]
    ]  # fmt: skip
    return [MacVerdict("distinct", macs, ips, context.points[point].name, because, evidence[:10])]


def _duplicates(context: Context) -> list[MacVerdict]:
    """One IPv4 address that two MACs claim in ARP at one point."""
    claims: dict[tuple[int, int, int], dict[int, int]] = defaultdict(dict)
    for row in context.arps:
        sender = int(row[ARP_SENDER_LO])
        if sender & 0xFFFFFFFF and row[ARP_SENDER_MAC] > 0:  # a probe has no sender address (RFC 5227)
            key = (int(row[ARP_POINT]), int(row[ARP_VIA_VNI]), sender)
            claims[key].setdefault(int(row[ARP_SENDER_MAC]), int(row[ARP_FIRST_FRAME]))
    verdicts = []
    for (point, _, sender), owners in sorted(claims.items()):
        if len(owners) < 2:
            continue
        address = address_text(0, sender)
        macs = sorted(mac_text(mac) for mac in owners)
        because = f"{address} is claimed by {' and '.join(macs)} in ARP"
        evidence = [context.evidence(point, frame) for frame in sorted(owners.values())]
        verdicts.append(MacVerdict("duplicate-ip", macs, [address], context.points[point].name, because, evidence))
    return verdicts


def _frames(context: Context, point: int, mac: int, ips: list[str]) -> list[Evidence]:
    table = context.stations
    rows = table[
        (table[:, STATION_POINT] == point) & (table[:, STATION_MAC] == mac) & (table[:, STATION_HOW] != RECEIVED)
    ]
    wanted = {address_value(ip) for ip in ips}
    frames = sorted(
        int(row[STATION_FIRST_FRAME]) for row in rows if (int(row[STATION_IP_HI]), int(row[STATION_IP_LO])) in wanted
    )
    return [context.evidence(point, frame) for frame in np.unique(frames).tolist()[:10]]


def same_network(addresses: list[str], prefix: int = 24) -> bool:
    """Do IPv4 addresses share a network, judged by a usual prefix length?"""
    return len({ip_network(f"{address}/{prefix}", strict=False) for address in addresses}) == 1
