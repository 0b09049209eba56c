"""vni-mismatch: two hosts send the packets of one network to each other in tunnels with different ids.

Looks at: two hosts of which one sends into a tunnel with one id only, the other one with another id only, while the
same two stations inside talk to each other in both and get no answer.
Says: which id each host uses, between which stations.
Wrong when: the network carries each direction in the id of its destination on purpose, and the station is down.
Fix: let both hosts join the same network again, so that they get the same id.
Verify: `ip -d link show type vxlan` in the overlay's namespace on both hosts; `docker network inspect NETWORK` shows
the ids as `com.docker.network.driver.overlay.vxlanid_list`.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_among, row_hash
from capnet.analysis.core.context import Context
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.schema import Values
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.correlate.duplicates import packets_without_duplicates
from capnet.analysis.facts.overlay.carried_frames import KINDS_WITH_VNI, VNI_BITS, tunnel_ends
from capnet.analysis.facts.overlay.station_ends import all_carried_frames
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_text, address_value
from capnet.wire.numbers import ARP_REQUEST
from capnet.wire.protocols import KIND_OF_NUMBER

NAME = finding_name(__name__)
LEVELS = ("error",)
SCENARIO = "fault vni-mismatch"
WITNESS = "pcaps/overlay-two.pcapng"  # two networks between the same hosts, each with an id of its own
EXPLAINS = (
    "tunnel-one-way", "tunnel-not-decapsulated", "stops-between", "arp-unanswered", "connection-unanswered",
    "handshake-unfinished", "packet-loss", "retransmissions",
)  # fmt: skip
IS_OF_TUNNEL = True

PAGE_ZH = """两台主机用不同的 id 在隧道中互发同一网络的包。

检查：两台主机，一台只向一个 id 的隧道发送，另一台只向另一个 id 发送，而同样两个内层站点在两者中互相通信且没有应答。
结论：各主机用哪个 id，在哪些站点之间。
误判：网络有意用目的地的 id 传送各方向，而站点停机了。
处理：让两台主机重新加入同一网络，使它们得到同样的 id。
验证：在两台主机的 overlay 命名空间中 `ip -d link show type vxlan`；`docker network inspect NETWORK` 以
`com.docker.network.driver.overlay.vxlanid_list` 显示 id。
"""

SAYS = Text(
    en="{sender} sends the packets of {stations} in {tunnel}, {peer} answers in {kind} {id_name} {other_vni}: "
    "neither host takes what the other one sends ({packets:packet})",
    zh="{sender} 把 {stations} 的包放在 {tunnel} 中发送，{peer} 用 {kind} {id_name} {other_vni} 应答：两台主机都不接"
    "受对方发来的包（{packets} 个包）",
)
FIX = Text(
    en="give both hosts the same {id_name} (`ip -d link show type {kind}` on both shows it): remove and create the "
    "network again, or let the node leave and join",
    zh="让两台主机使用相同的 {id_name}（在两台主机上 `ip -d link show type {kind}` 显示它）：删除并重新创建网络，或让"
    "节点离开后重新加入",
)

MIN_PACKETS = 2  # of each direction: a single one may be the last of the capture
MAX_PAIRS = 200  # of one-way tunnels between the same hosts, that are looked at


class _OneWay(NamedTuple):
    """A tunnel that one host alone sends into."""

    kind: int
    vni: int
    src: str
    dst: str


def diagnose(context: Context) -> list[Finding]:
    findings = []
    by_ends: dict[tuple[int, str, str], list[_OneWay]] = {}
    for tunnel in _one_way(context):
        by_ends.setdefault((tunnel.kind, tunnel.src, tunnel.dst), []).append(tunnel)
    pairs = [
        (outward, back)
        for (kind, src, dst), tunnels in sorted(by_ends.items())
        for outward in tunnels
        for back in by_ends.get((kind, dst, src), [])
        if outward.vni != back.vni and (src, dst) < (dst, src)
    ]
    for outward, back in pairs[:MAX_PAIRS]:
        finding = _finding(context, outward, back)
        if finding is not None:
            findings.append(finding)
    return findings


def _one_way(context: Context) -> list[_OneWay]:
    """Tunnels with an id that is the same in both directions, and that were seen in one direction only."""
    senders: dict[tuple[int, int, frozenset[str]], set[tuple[str, str]]] = {}
    for row in context.tunnels.tolist():
        kind = KIND_OF_NUMBER[row[schema.TUNNEL_KIND]]
        if kind.is_encrypted or kind.has_id_per_direction or row[schema.TUNNEL_VNI] < 0:
            continue
        src = address_text(row[schema.TUNNEL_SRC_HI], row[schema.TUNNEL_SRC_LO])
        dst = address_text(row[schema.TUNNEL_DST_HI], row[schema.TUNNEL_DST_LO])
        key = row[schema.TUNNEL_KIND], row[schema.TUNNEL_VNI], frozenset((src, dst))
        senders.setdefault(key, set()).add((src, dst))
    return sorted(
        _OneWay(kind, vni, *next(iter(directions)))
        for (kind, vni, ends), directions in senders.items()
        if len(directions) == 1 and len(ends) == 2
    )


class _Talk(NamedTuple):
    """What stations say in one tunnel: arrays of one entry per flow, and per kind of ARP request."""

    ends: Values  # (n, 4): halves of source and destination
    packets: Values
    points: Values
    frames: Values


def _talk(context: Context, tunnel: _OneWay) -> _Talk:
    """What the stations say in the network of a tunnel that send from its end."""
    flows, arps, macs = context.flows, context.arps, _macs_behind(context, tunnel)
    is_its = (flows[:, schema.FLOW_VIA] == tunnel.kind) & (flows[:, schema.FLOW_VIA_VNI] == tunnel.vni)
    rows = np.flatnonzero(is_its & is_among(flows[:, schema.FLOW_SMAC], macs))
    asks = (arps[:, schema.ARP_VIA] == tunnel.kind) & (arps[:, schema.ARP_VIA_VNI] == tunnel.vni)
    asks &= is_among(arps[:, schema.ARP_ETH_SOURCE], macs)
    asks = arps[asks & (arps[:, schema.ARP_OPERATION] == ARP_REQUEST)]
    asked = np.zeros((len(asks), 4), dtype=np.int64)
    asked[:, 1], asked[:, 3] = asks[:, schema.ARP_SENDER_LO], asks[:, schema.ARP_TARGET_LO]
    return _Talk(
        np.concatenate((flows[rows][:, schema.FLOW_ADDRESSES], asked)),
        np.concatenate((packets_without_duplicates(context)[rows], asks[:, schema.ARP_PACKETS])),
        np.concatenate((flows[rows, schema.FLOW_POINT], asks[:, schema.ARP_POINT])),
        np.concatenate((flows[rows, schema.FLOW_FIRST_FRAME], asks[:, schema.ARP_FIRST_FRAME])),
    )


def _macs_behind(context: Context, tunnel: _OneWay) -> Values:
    """The stations whose frames a tunnel's end sends; all where that is not known: in a sample, or without MACs."""
    if context.sample_share < 1.0 or tunnel.kind not in KINDS_WITH_VNI:
        return np.concatenate((context.flows[:, schema.FLOW_SMAC], context.arps[:, schema.ARP_ETH_SOURCE]))
    carried = all_carried_frames(context)
    ends = [address_text(*end) for end in tunnel_ends(context).tolist()]
    is_its = (carried.network == (tunnel.kind << VNI_BITS) + tunnel.vni) & (carried.source == ends.index(tunnel.src))
    return carried.source_mac[is_its]


_REVERSED = [2, 3, 0, 1]
_CONVERSATION = [schema.FLOW_PROTO, *schema.FLOW_ADDRESSES, schema.FLOW_SPORT, schema.FLOW_DPORT]
_ANSWER = [schema.FLOW_PROTO, *schema.FLOW_OPPOSITE_ADDRESSES, schema.FLOW_DPORT, schema.FLOW_SPORT]


def _answers(context: Context, outward: _OneWay, back: _OneWay) -> bool:
    """Does a flow in one of the tunnels answer a flow in the other one?"""
    flows = context.flows
    rows = [
        np.flatnonzero((flows[:, schema.FLOW_VIA] == tunnel.kind) & (flows[:, schema.FLOW_VIA_VNI] == tunnel.vni))
        for tunnel in (outward, back)
    ]
    questions, answers = row_hash(flows[rows[0]][:, _CONVERSATION]), row_hash(flows[rows[1]][:, _ANSWER])
    return bool(is_among(questions, answers).any())


def _finding(context: Context, outward: _OneWay, back: _OneWay) -> Finding | None:
    """The finding about two one-way tunnels in which the same stations talk to each other in vain, if they do."""
    talks = _talk(context, outward), _talk(context, back)
    common = [is_among(row_hash(talk.ends), row_hash(other.ends[:, _REVERSED])) for talk, other in (talks, talks[::-1])]
    packets = [_most_at_a_point(talk, mask) for talk, mask in zip(talks, common, strict=True)]
    if min(packets) < MIN_PACKETS or _answers(context, outward, back):
        return None
    pairs = {tuple(pair) for pair in talks[0].ends[common[0]].tolist()}
    stations = sorted({address_text(*pair[at : at + 2]) for pair in pairs for at in (0, 2)}, key=address_value)
    kind = KIND_OF_NUMBER[outward.kind]
    frames = [
        context.evidence(point, frame)
        for talk, mask in zip(talks, common, strict=True)
        for point, frame in zip(talk.points[mask].tolist(), talk.frames[mask].tolist(), strict=True)
    ]
    return Finding(
        NAME,
        "error",
        SAYS.fill(
            sender=outward.src, peer=outward.dst, stations=several(stations), tunnel=kind.titled(outward.vni),
            kind=kind.title, id_name=kind.id_name, other_vni=back.vni, packets=sum(packets),
        ),
        FIX.fill(id_name=kind.id_name, kind=kind.name),
        {
            "kind": kind.name, "hosts": [outward.src, outward.dst], "vni": outward.vni, "other_vni": back.vni,
            "stations": stations[:MAX_EVIDENCE], "packets": sum(packets),
        },
        sorted(frames),
    )  # fmt: skip


def _most_at_a_point(talk: _Talk, mask: np.ndarray) -> int:
    """Packets at the point that shows the most of them."""
    return int(np.bincount(talk.points[mask], talk.packets[mask]).max()) if mask.any() else 0
