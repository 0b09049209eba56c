"""ipvlan-l2, ipvlan-l3: containers with addresses of their own behind the MAC of the host's interface.

Told apart by: one MAC that speaks for several addresses, TTL still initial (no router between), at several
interfaces, each with an address of its own. Between containers, source and destination MAC are the same.
L2: the addresses are of one network and the shared MAC claims them in ARP. L3: ARP never resolves them, they may be of
several networks, and a container sends everything to its own MAC, also what is for other hosts.
Looks alike: a host with several addresses, also virtual ones (VRRP, keepalived); a gateway that does not lower the TTL;
a generator that writes one MAC everywhere. So addresses must be private, and claimed by no other MAC.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import destination, is_private, source
from capnet.analysis.core.results import Evidence
from capnet.analysis.core.wording import Text, several
from capnet.analysis.facts.layer2.arp import rival_claims
from capnet.analysis.facts.layer2.model import SharedMac, same_network
from capnet.analysis.facts.layer2.segments import layer2_segments
from capnet.analysis.facts.models.container_signs import CNI_PREFIX, DOCKER_PREFIX
from capnet.analysis.facts.models.signs.sign import MAX_SIGN_FRAMES, Sign
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_value, mac_text

MAX_ADDRESSES = 64  # behind one MAC: more are a gateway's
MIN_PACKETS = 10  # of the MAC: a few frames are an example, or edited


class _SharedCard(NamedTuple):
    """One shared MAC, and what was seen of it."""

    shared: SharedMac
    neighbours: list[str]  # addresses behind the MAC that send to others behind it, both MACs the same
    sent_out: list[str]  # addresses beyond it whose packets are sent to the MAC itself: there is no ARP
    unclaimed: list[str]  # its addresses that it never claimed in ARP
    has_several_networks: bool
    has_several_interfaces: bool

    @property
    def mode(self) -> str:
        """`ipvlan-l3` where there is no ARP."""
        neighbours_have_arp = any(ip not in self.unclaimed for ip in self.neighbours)
        has_no_arp = (
            self.sent_out
            or (self.has_several_networks and self.unclaimed)
            or (self.neighbours and not neighbours_have_arp)
        )
        return "ipvlan-l3" if has_no_arp else "ipvlan-l2"


def shared_mac(context: Context) -> Iterator[Sign]:
    """One MAC speaks for several private addresses, not forwarded: TTL is still initial.

    Wrong when: a host has several addresses.
    """
    for card in _cards(context):
        mac, ips = mac_text(card.shared.mac), card.shared.ips
        listed = ", ".join(ips[:6]) + (" …" if len(ips) > 6 else "")
        says = Text(
            en="{mac} speaks for {listed}, not forwarded: TTL is still initial",
            zh="{mac} 代表 {listed}，不是转发的：TTL 仍是初始值",
        ).fill(mac=mac, listed=listed)
        yield Sign(says, _frames(context, card.shared), card.mode)


def several_interfaces(context: Context) -> Iterator[Sign]:
    """That MAC is at several interfaces, each with one of the addresses."""
    for card in _cards(context):
        if card.has_several_interfaces:
            interfaces = list(card.shared.interfaces.items())[:3]
            names = several(
                [
                    Text(en="{point} as {ip}", zh="{point}（{ip}）").fill(point=context.points[point].name, ip=ip)
                    for point, ip in interfaces
                ]
            )
            says = Text(
                en="the same MAC is at {names}: each an interface with an address of its own",
                zh="同一个 MAC 出现在 {names}：各是一个有自己地址的接口",
            ).fill(names=names)
            yield Sign(says, _frames(context, card.shared), card.mode)


def same_mac_at_both_ends(context: Context) -> Iterator[Sign]:
    """The addresses send to each other with that MAC as source and destination.

    Wrong when: a generator, or who edited the capture, wrote one MAC everywhere.
    """
    for card in _cards(context):
        if card.neighbours:
            mac = mac_text(card.shared.mac)
            says = Text(
                en="{neighbours} send to each other with {mac} at both ends",
                zh="{neighbours} 互相发送时两端的 MAC 都是 {mac}",
            ).fill(neighbours=several(card.neighbours[:4]), mac=mac)
            yield Sign(says, _self_frames(context, card.shared), card.mode)


def sent_to_itself(context: Context) -> Iterator[Sign]:
    """What is for other hosts is sent to that MAC as well: the interface has no ARP. Only L3 does so."""
    for card in _cards(context):
        if card.sent_out:
            says = Text(
                en="packets for {others} are sent to that MAC as well: the interface has no ARP",
                zh="发往 {others} 的包也发给该 MAC：这个接口没有 ARP",
            ).fill(others=", ".join(card.sent_out[:3]))
            yield Sign(says, _self_frames(context, card.shared), card.mode)


def never_resolved(context: Context) -> Iterator[Sign]:
    """The addresses are of several networks, or send to each other, and no host resolves them by ARP: L3.

    Wrong when: the answers to ARP passed another point, or before the capture began.
    """
    for card in _cards(context):
        if card.mode == "ipvlan-l3" and card.unclaimed:
            verb = "is" if len(card.unclaimed) == 1 else "are"
            says = Text(en="{ips} {verb} never resolved by ARP", zh="{ips} 从未经 ARP 解析").fill(
                ips=", ".join(card.unclaimed[:4]), verb=verb
            )
            yield Sign(says, _frames(context, card.shared), card.mode)


def claims_in_arp(context: Context) -> Iterator[Sign]:
    """The MAC claims several addresses of one network in ARP. Only L2 does so."""
    for card in _cards(context):
        if card.mode == "ipvlan-l2" and len(card.shared.claimed) > 1:
            says = Text(
                en="the same MAC claims {claimed} in ARP, all of one network",
                zh="同一个 MAC 在 ARP 中声称拥有 {claimed}，都属于同一个网络",
            ).fill(claimed=", ".join(card.shared.claimed[:6]))
            yield Sign(says, _frames(context, card.shared), card.mode)


@derived
def _cards(context: Context) -> list[_SharedCard]:
    """Shared MACs that may be a parent interface's, one per mode: that with most interfaces and neighbours."""
    best: dict[str, tuple[int, _SharedCard]] = {}
    rivals = {claims.ip for claims in rival_claims(context)}
    for shared in layer2_segments(context).shared_macs:
        if not _may_be_a_card(context, shared, rivals):
            continue
        card = _seen_of(context, shared)
        has_proof = card.has_several_interfaces or card.neighbours
        if card.has_several_networks and not card.unclaimed and not has_proof:
            continue  # it claims addresses of several networks in ARP: their gateway
        score = 2 * card.has_several_interfaces + bool(card.neighbours)
        if card.mode not in best or score > best[card.mode][0]:
            best[card.mode] = (score, card)
    return [card for _, card in best.values()]


def _may_be_a_card(context: Context, shared: SharedMac, rivals: set[str]) -> bool:
    if len(shared.ips) > MAX_ADDRESSES or not all(map(is_private, shared.ips)) or shared.ip_set & rivals:
        return False
    if shared.mac >> 32 in (DOCKER_PREFIX, CNI_PREFIX):
        return False  # a container's own, with hairpin NAT, or of a load balancer with virtual addresses
    is_from_mac = context.flows[:, schema.FLOW_SMAC] == shared.mac
    return int(context.flows[is_from_mac, schema.FLOW_PACKETS].sum()) >= MIN_PACKETS


def _seen_of(context: Context, shared: SharedMac) -> _SharedCard:
    flows = context.flows
    ends = {(source(flows[row]), destination(flows[row])) for row in shared.self_flows}
    inside = shared.ip_set
    return _SharedCard(
        shared,
        # Both must send: hairpin NAT on a bridge writes such frames in one direction.
        neighbours=sorted({src for src, dst in ends if {src, dst} <= inside and (dst, src) in ends}, key=address_value),
        sent_out=sorted({dst for src, dst in ends if src in inside and dst not in inside}),
        unclaimed=[ip for ip in shared.ips if ip not in shared.claimed],
        has_several_networks=not same_network(shared.ips),
        has_several_interfaces=len(set(shared.interfaces.values())) > 1,
    )


def _self_frames(context: Context, shared: SharedMac) -> list[Evidence]:
    """Frames with the MAC at both ends."""
    frames = context.flows[:, schema.FLOW_FIRST_FRAME]
    return [context.flow_evidence(row, int(frames[row])) for row in shared.self_flows[:2]]


def _frames(context: Context, shared: SharedMac) -> list[Evidence]:
    """The first frame of each address, and its first claim in ARP."""
    flows, arps = context.flows, context.arps
    evidence = []
    is_from_mac = flows[:, schema.FLOW_SMAC] == shared.mac
    is_claim = arps[:, schema.ARP_SENDER_MAC] == shared.mac
    for ip in shared.ips[:MAX_SIGN_FRAMES]:
        hi, lo = address_value(ip)
        is_from_ip = (flows[:, schema.FLOW_SRC_HI] == hi) & (flows[:, schema.FLOW_SRC_LO] == lo)
        for row in np.flatnonzero(is_from_mac & is_from_ip)[:1].tolist():
            evidence.append(context.first_frame(row))
        for row in np.flatnonzero(is_claim & (arps[:, schema.ARP_SENDER_LO] == lo))[:1]:
            point, frame = arps[row, [schema.ARP_POINT, schema.ARP_FIRST_FRAME]].tolist()
            evidence.append(context.evidence(point, frame))
    return evidence[:MAX_SIGN_FRAMES]
