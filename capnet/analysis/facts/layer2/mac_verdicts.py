"""What do the MAC addresses at each point mean: shared, distinct, a router's, or claimed twice?

* `router`: a MAC that passes on packets of addresses that are not its own (their TTL is no longer an initial one, or
  others claim the address).
* `shared`: several addresses of its own behind one MAC: ipvlan L2, or containers that share a network namespace.
* `distinct`: stations with a MAC and an address of their own behind one network card, on its network: macvlan.
* `duplicate-ip`: one address claimed by two MACs in ARP.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import is_multicast_mac
from capnet.analysis.core.results import Evidence, MacVerdict
from capnet.analysis.core.schema import (
    STATION_FIRST_FRAME,
    STATION_HOW,
    STATION_IP_HI,
    STATION_IP_LO,
    STATION_MAC,
    STATION_POINT,
)
from capnet.analysis.core.wording import plural, several
from capnet.analysis.facts.layer2.model import SharedMac, network_of, own_ips, passed_on
from capnet.analysis.facts.layer2.segments import rival_claims, segments
from capnet.analysis.facts.stations import RECEIVED, Speaker, speakers, translated_to
from capnet.wire.addresses import address_value, mac_text

SURE = 0.5  # of a card's children, see analyze.segments


def mac_verdicts(context: Context) -> list[MacVerdict]:
    """Verdicts point by point."""
    verdicts = []
    shared = {each.mac: each for each in segments(context).shared}
    for point in range(len(context.points)):
        for speaker in speakers(context, point).values():
            if not is_multicast_mac(speaker.mac):
                verdicts += _one(context, point, speaker, shared.get(speaker.mac))
    return verdicts + _distinct(context) + _one_namespace(context) + _duplicates(context)


def _one(context: Context, point: int, speaker: Speaker, shared: SharedMac | None) -> list[MacVerdict]:
    mac, where = mac_text(speaker.mac), context.points[point].name
    passed = _without_hairpins(context, point, passed_on(speaker))
    own = own_ips(speaker)
    if passed:
        because = f"{mac} sends packets of {_addresses(passed)} that others own or that were routed before: it forwards"
        return [MacVerdict("router", [mac], passed[:16], where, because, _frames(context, point, speaker.mac, passed))]
    if shared is None or len(own) < 2:
        return []
    own = [ip for ip in own if ip in shared.ip_set]
    near = {network_of(named) for named in _v4(speaker.named)}
    foreign = [ip for ip in own if speaker.named and network_of(ip) not in near]
    if len(own) > 1 and foreign and not shared.proven:
        because = f"{mac} claims {', '.join(sorted(_v4(speaker.named)))} in ARP and speaks for other networks as well"
        return [MacVerdict("router", [mac], foreign, where, because, _frames(context, point, speaker.mac, foreign))]
    if len(own) > 1 and context.points[point].role not in ("loopback", "bridge"):
        because = f"{mac} speaks for {len(own)} addresses of its own, none of them forwarded"
        return [MacVerdict("shared", [mac], own, where, because, _frames(context, point, speaker.mac, own))]
    return []


def _without_hairpins(context: Context, point: int, passed: list[str]) -> list[str]:
    """Without addresses of others that NAT on a bridge puts into frames of a container's own MAC."""
    put_in = translated_to(context) if passed else set()
    if not put_in.intersection(passed):
        return passed
    claimed = {ip for speaker in speakers(context, point).values() for ip in speaker.named}
    return [ip for ip in passed if ip not in put_in or ip not in claimed]


def _v4(ips: set[str]) -> list[str]:
    return [ip for ip in ips if ":" not in ip]


def _addresses(ips: list[str]) -> str:
    return "1 address" if len(ips) == 1 else f"{len(ips)} addresses"


def _distinct(context: Context) -> list[MacVerdict]:
    """Several stations of one network behind one card, each with an interface of its own."""
    verdicts = []
    for card in segments(context).cards:
        if card.sure < SURE:
            continue
        macs = [mac_text(child.mac) for child in card.children]
        ips = [child.ip for child in card.children]
        each = "each with a MAC and an address" if len(macs) > 1 else "with a MAC and an address"
        where = "on this network, out of reach for the host it is on" if card.watched_alone else "behind this card"
        because = f"{plural(len(macs), 'station')} {where}, {each} of its own"
        evidence = [
            frame for child in card.children for frame in _frames(context, card.point, child.mac, [child.ip])[:2]
        ]
        verdicts.append(
            MacVerdict("distinct", sorted(macs), ips, context.points[card.point].name, because, evidence[:10])
        )
    return verdicts


def _one_namespace(context: Context) -> list[MacVerdict]:
    """One MAC and one address for all that runs in a namespace: client and server of its loopback among it."""
    found = segments(context)
    verdicts = []
    for talk in found.talks:
        for point, here in found.at.items():
            for mac, speaker in here.items():
                if talk.ip in own_ips(speaker) and point in found.homes.get(mac, ()):
                    because = (
                        f"{mac_text(mac)} is the MAC of all that runs in one network namespace: client and server of "
                        f"{talk.ip} talk over loopback"
                    )
                    evidence = [context.evidence(talk.point, talk.frame), *_frames(context, point, mac, [talk.ip])]
                    where = context.points[point].name
                    verdicts.append(MacVerdict("shared", [mac_text(mac)], [talk.ip], where, because, evidence))
    return verdicts


def _duplicates(context: Context) -> list[MacVerdict]:
    """One IPv4 address that two MACs claim in ARP at one point."""
    verdicts = []
    for claims in rival_claims(context):
        macs = sorted(mac_text(mac) for mac in claims.by)
        because = f"{claims.ip} is claimed by {several(macs)} in ARP"
        evidence = [context.evidence(claims.point, frame) for frame in sorted(by[2] for by in claims.by.values())]
        where = context.points[claims.point].name
        verdicts.append(MacVerdict("duplicate-ip", macs, [claims.ip], where, because, evidence))
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
    return [context.evidence(point, frame) for frame in sorted(set(frames))[:10]]
