"""tunnel-one-way: a tunnel carries frames in one direction only.

Looks at: tunnels whose other direction passed no point of the capture. Frames of the other end under another id are an
answer (a TEID, an SPI, a WireGuard index; a VNI if the stations inside answer). An answer must be due
(`facts.overlay.silent_ends`): a second after the first frame, to TCP, a ping, UDP that asks (DNS, QUIC) or a question
for a MAC inside; for data of WireGuard after 10 s. Not:
- mirrors of other traffic, which carry both directions of a conversation one way (ERSPAN, a cloud's traffic mirror);
- tunnels of a balancer that hands on what came to it, or of a server that answers the client directly (IPVS, Katran);
- pairs of which one sends the other only what goes to all (`facts.overlay.flooded_pairs`);
- tunnels of which all comes out and stops behind (`stops-between`);
- points that record one direction of all traffic, as after `tcpdump -Q out`, or that show nothing else which goes to
  the sender, unless it asks again: handshakes, SYNs and questions for a MAC are repeated without an answer only.
Says: which VNI between which VTEPs, several silent receivers of one sender as one, and several VNIs of two VTEPs; that
it is the handshake of WireGuard which gets no response, and whether it comes to the interface of its receiver; and
where the frames come out, for which MAC, if a point inside shows it.
Wrong when: the traffic really goes one way, or the answers take another path than the capture's.
Fix: open the tunnel's port or protocol in both directions, and check that both hosts have the tunnel and its keys.
Verify: `iptables -vnL INPUT` on both hosts; `bridge fdb show dev vxlan0` in the overlay's namespace; `wg show`.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core.arrays import distinct
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import are_multicast_macs
from capnet.analysis.core.results import MAX_EVIDENCE, Finding, Tunnel
from capnet.analysis.core.schema import FLOW_DMAC, FLOW_PLACE, FLOW_POINT
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.overlay.directions import TunnelKey, handed_on, has_vni, mirrors, tunnel_key, tunnel_senders
from capnet.analysis.facts.overlay.ends_behind import ends_behind
from capnet.analysis.facts.overlay.flooded_pairs import carries_groups_only
from capnet.analysis.facts.overlay.insides import tunnel_insides
from capnet.analysis.facts.overlay.silent_ends import are_handshakes, arrives_at, is_silent
from capnet.analysis.facts.tunnels import tunnel_facts
from capnet.analysis.fate.listening import records_one_direction
from capnet.analysis.fate.next_points import is_answered
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_value, mac_text
from capnet.wire.protocols import KIND_OF_NAME

NAME = finding_name(__name__)
LEVELS = ("warning",)
SCENARIO = "fault tunnel-one-way"
WITNESS = "tests/made/erspan.pcap"  # a mirror, which carries both directions one way
EXPLAINS = (
    "connection-cut", "connection-unanswered", "handshake-unfinished", "arp-unanswered", "neighbour-unanswered",
    "packet-loss", "retransmissions",
)  # fmt: skip
IS_OF_TUNNEL = True

PAGE_ZH = """隧道只有一个方向有帧。

检查：另一个方向没有经过任何抓包点的隧道。另一端用另一个标识发来的帧也是应答（TEID、SPI、WireGuard 的 index；若内部的
主机互相应答，则 VNI 亦然）。必须本应有应答（`facts.overlay.silent_ends`）：第一帧之后至少一秒，内部有 TCP、ping、提问的
UDP（DNS、QUIC）或对 MAC 的询问；WireGuard 的数据为 10 秒。不包括：
- 其他流量的镜像，它把会话的两个方向单向传送（ERSPAN、云的流量镜像）；
- 转交收到内容的负载均衡的隧道，或直接应答客户端的服务器的隧道（IPVS、Katran）；
- 一方只把发给所有主机的帧发给另一方（`facts.overlay.flooded_pairs`）；
- 里面的包全都出来、止于其后两点之间的隧道（`stops-between`）；
- 所有流量都只记录了一个方向的抓包点，如 `tcpdump -Q out`；或没有其他任何发往该发送者的包的抓包点，除非发送者再次询
  问：握手、SYN 和对 MAC 的询问只在没有应答时重复。
结论：哪个 VNI，在哪两个 VTEP 之间，同一发送者的多个沉默的接收者合为一条，两个 VTEP 之间的多个 VNI 也合为一条；是否是
WireGuard 的握手没有回应，是否到达了接收者的接口；如果内侧的抓包点能看到，帧从哪里出来，发给哪个 MAC。
误判：流量确实只有一个方向，或应答走了抓包以外的路。
处理：双向放行隧道的端口或协议，并检查两台主机是否都有该隧道及其密钥。
验证：在两台主机上 `iptables -vnL INPUT`；overlay 的命名空间中 `bridge fdb show dev vxlan0`；`wg show`。
"""

SAYS = Text(
    en="{tunnel} between {vteps} carries frames in one direction only: from {sender}, and none back",
    zh="{vteps} 之间的 {tunnel} 只有一个方向有帧：来自 {sender}，没有返回的",
)
SAYS_MANY = Text(
    en="{tunnel} of {sender} goes to {count} others, {receivers}, and no frame came back from any of them",
    zh="{sender} 的 {tunnel} 发往 {count} 个对端：{receivers}，没有任何一个返回帧",
)
SAYS_IDS = Text(
    en="{count} VNIs of {kind} between {vteps}, {tunnels}, carry frames in one direction only: from {sender}, and none "
    "back",
    zh="{vteps} 之间的 {count} 个 {kind} VNI（{tunnels}）只有一个方向有帧：来自 {sender}，没有返回的",
)
HANDSHAKES = Text(
    en="{sender} began the handshake of WireGuard with {receiver} {frames:time}, and got no response{arrives}",
    zh="{sender} 向 {receiver} 发起了 {frames} 次 WireGuard 握手，没有得到回应{arrives}",
)
ARRIVES = Text(
    en="; they come to {point}, the interface of {receiver}",
    zh="；它们到达了 {receiver} 的接口 {point}",
)
ARRIVED_FIX = Text(
    en="{receiver} gets them and is silent, as WireGuard is to a key that it does not know: `wg show` there must have "
    "the public key of {sender} as a peer, and {sender} its; else a rule of that host drops UDP port {port} (`iptables "
    "-vnL INPUT`, `nft list ruleset`)",
    zh="{receiver} 收到了它们而保持沉默，WireGuard 对不认识的密钥就是这样：那里的 `wg show` 必须把 {sender} 的公钥列为 "
    "peer，反之亦然；否则是该主机的规则丢弃了 UDP 端口 {port}（`iptables -vnL INPUT`、`nft list ruleset`）",
)
HANDSHAKE_FIX = Text(
    en="WireGuard is silent to whom it does not know: compare the public keys of both ends, and the endpoint (`wg "
    "show`); else let UDP port {port} pass to {receiver}, where `tcpdump -ni any udp port {port}` shows what arrives",
    zh="WireGuard 对不认识的对端保持沉默：比较两端的公钥和 endpoint（`wg show`）；否则放行到 {receiver} 的 UDP 端口 "
    "{port}，在那里 `tcpdump -ni any udp port {port}` 显示到达的包",
)
COMES_OUT = Text(
    en="; they come out at {point}, for {macs}, and nothing there answers",
    zh="；它们在 {point} 出来，发给 {macs}，那里没有应答",
)
FIX_INSIDE = Text(
    en="the tunnel is open this way: compare {macs} with the MAC of {device} (`ip link show {device}`): other "
    "frames are dropped there without a sound. If they are equal, look at the routes and the FORWARD rules behind it",
    zh="隧道在这个方向是通的：把 {macs} 与 {device} 的 MAC 比较（`ip link show {device}`）：发给别的 MAC 的帧在那里被"
    "默默丢弃。如果相同，检查其后的路由和 FORWARD 规则",
)
ESP_FIX = Text(
    en="check that no firewall drops ESP (IP protocol 50, UDP port 4500) and that both hosts have the keys",
    zh="检查防火墙是否丢弃 ESP（IP 协议 50、UDP 端口 4500），两台主机是否都有密钥",
)
PROTOCOL_FIX = Text(
    en="check that no firewall drops {protocol} and that both hosts have the tunnel",
    zh="检查防火墙是否丢弃 {protocol}，两台主机是否都有这个隧道",
)
PORT_FIX = Text(
    en="check that UDP port {port} is open both ways and that both hosts know the {id_name}",
    zh="检查 UDP 端口 {port} 是否双向开放，两台主机是否都知道该 {id_name}",
)

MIN_RECEIVERS = 3  # as silent as each other: one cause, told once
MIN_FRAMES = 2  # an answer to a single frame may come after the end of the capture


def diagnose(context: Context) -> list[Finding]:
    candidates = [tunnel for tunnel in tunnel_facts(context) if tunnel.one_way and tunnel.frames >= MIN_FRAMES]
    if not candidates:
        return []  # the rest looks at all flows
    senders, passed_on = tunnel_senders(context), mirrors(context) | handed_on(context)
    one_directed = {context.points[number].name for number in np.flatnonzero(records_one_direction(context))}
    one_way = {
        tunnel_key(tunnel.kind, tunnel.vni, tunnel.vteps): tunnel
        for tunnel in candidates
        if len(senders[tunnel_key(tunnel.kind, tunnel.vni, tunnel.vteps)]) < 2
        and tunnel.point not in one_directed
        and (tunnel.kind, tunnel.vni, tunnel.point) not in passed_on
        and tunnel.kind != "erspan"
        and is_silent(context, tunnel, next(iter(senders[tunnel_key(tunnel.kind, tunnel.vni, tunnel.vteps)])))
        and not (has_vni(tunnel.kind) and carries_groups_only(context, tunnel))
        and not ends_behind(context, tunnel)
    }
    by_sender: dict[tuple[object, ...], list[TunnelKey]] = {}
    for key in one_way:
        by_sender.setdefault((key.kind, key.vni, *senders[key]), []).append(key)
    of_senders = [keys for keys in by_sender.values() if len(keys) >= MIN_RECEIVERS]
    findings = [_of_sender(min(senders[keys[0]]), [one_way[key] for key in keys]) for keys in of_senders]
    for key in (key for keys in of_senders for key in keys):
        del one_way[key]
    of_pairs, alone = _of_pairs(one_way, senders)
    findings += of_pairs
    findings += [_finding(context, tunnel, sorted(senders[key])) for key, tunnel in alone.items()]
    return findings


def _of_pairs(
    one_way: dict[TunnelKey, Tunnel], senders: dict[TunnelKey, set[str]]
) -> tuple[list[Finding], dict[TunnelKey, Tunnel]]:
    """A finding for two ends between which several VNIs go one way, as identities of Cilium; and the other tunnels.

    They have one port, and one cause stops them all.
    """
    pairs: dict[tuple[object, ...], list[TunnelKey]] = {}
    for key, tunnel in one_way.items():
        pairs.setdefault((key.kind, key.vteps, tunnel.port, *senders[key]), []).append(key)
    several_ids = [keys for keys in pairs.values() if len(keys) > 1 and has_vni(keys[0].kind)]
    findings = [_of_pair([one_way[key] for key in keys], min(senders[keys[0]])) for keys in several_ids]
    merged = {key for keys in several_ids for key in keys}
    return findings, {key: tunnel for key, tunnel in one_way.items() if key not in merged}


def _of_pair(tunnels: list[Tunnel], sender: str) -> Finding:
    first, ids = tunnels[0], sorted(tunnel.vni or 0 for tunnel in tunnels)
    says = SAYS_IDS.fill(
        count=len(ids), kind=KIND_OF_NAME[first.kind].title, vteps=several(first.vteps), sender=sender,
        tunnels=several([str(number) for number in ids]),
    )  # fmt: skip
    facts: dict[str, object] = {"vni": None, "vnis": ids[:MAX_EVIDENCE], "vteps": first.vteps}
    evidence = sorted(tunnel.evidence[0] for tunnel in tunnels)[:MAX_EVIDENCE]
    return Finding(NAME, "warning", says, _fix(first), facts, evidence)


def _of_sender(sender: str, tunnels: list[Tunnel]) -> Finding:
    """The finding about a sender that no receiver answers: one cause, at the sender or on its way."""
    vteps = sorted({vtep for tunnel in tunnels for vtep in tunnel.vteps}, key=address_value)
    receivers, first = [vtep for vtep in vteps if vtep != sender], tunnels[0]
    title = _title(first) if has_vni(first.kind) else KIND_OF_NAME[first.kind].title
    return Finding(
        NAME,
        "warning",
        SAYS_MANY.fill(tunnel=title, sender=sender, receivers=several(receivers), count=len(receivers)),
        _fix(first),
        {"vni": first.vni if has_vni(first.kind) else None, "vteps": vteps[:MAX_EVIDENCE]},
        [tunnel.evidence[0] for tunnel in tunnels[:MAX_EVIDENCE]],
    )


def _finding(context: Context, tunnel: Tunnel, senders: list[str]) -> Finding:
    facts: dict[str, object] = {"vni": tunnel.vni, "vteps": tunnel.vteps}
    receiver = next((vtep for vtep in tunnel.vteps if vtep not in senders), tunnel.vteps[-1])
    if are_handshakes(context, tunnel):
        point = arrives_at(context, tunnel, receiver)
        arrives = ARRIVES.fill(point=point, receiver=receiver) if point else ""
        says = HANDSHAKES.fill(sender=several(senders), receiver=receiver, frames=tunnel.frames, arrives=arrives)
        fix = (ARRIVED_FIX if point else HANDSHAKE_FIX).fill(receiver=receiver, port=tunnel.port, sender=senders[0])
        facts["handshakes"] = tunnel.frames
    else:
        out = _out(context, tunnel)
        says = SAYS.fill(tunnel=_title(tunnel), vteps=several(tunnel.vteps), sender=several(senders))
        says += COMES_OUT.fill(point=out.point, macs=several(out.macs)) if out else ""
        fix = FIX_INSIDE.fill(macs=several(out.macs), device=out.point.rpartition("/")[2]) if out else _fix(tunnel)
    return Finding(NAME, "warning", says, fix, facts, tunnel.evidence[:MAX_EVIDENCE])


class _Out(NamedTuple):
    """Where the frames of a tunnel come out of it."""

    point: str  # a tunnel device
    macs: list[str]  # that they are for


def _out(context: Context, tunnel: Tunnel) -> _Out | None:
    """The tunnel device at which frames of a tunnel come out, and the MACs that those without an answer are for."""
    kind, vni = KIND_OF_NAME[tunnel.kind].number, -1 if tunnel.vni is None else tunnel.vni
    flows, links = context.flows, flow_links(context)
    others = [of for of in tunnel_facts(context) if (of.kind, of.vni) == (tunnel.kind, tunnel.vni)]
    if any(sorted(of.vteps) != sorted(tunnel.vteps) for of in others):
        return None  # what comes out may be of another pair
    for inside in sorted(tunnel_insides(context).left):
        if inside[1:3] != (kind, vni) or context.points[inside.inner].role != "overlay":
            continue
        comes_out = (flows[links.source][:, FLOW_PLACE] == inside[:3]).all(axis=1)
        comes_out &= (flows[links.target, FLOW_POINT] == inside.inner) & ~is_answered(context)[links.target]
        macs = distinct(flows[links.target[comes_out], FLOW_DMAC])
        macs = macs[(macs > 0) & ~are_multicast_macs(macs)]
        if len(macs):
            return _Out(context.points[inside.inner].name, [mac_text(int(mac)) for mac in macs[:MAX_EVIDENCE]])
    return None


def _title(tunnel: Tunnel) -> str:
    if tunnel.vni is not None and has_vni(tunnel.kind):
        return f"VNI {tunnel.vni}"
    return KIND_OF_NAME[tunnel.kind].titled(tunnel.vni)


def _fix(tunnel: Tunnel) -> str:
    if tunnel.kind == "esp":
        return ESP_FIX.fill()
    if tunnel.port is None:
        return PROTOCOL_FIX.fill(protocol=KIND_OF_NAME[tunnel.kind].title)
    return PORT_FIX.fill(port=tunnel.port, id_name=KIND_OF_NAME[tunnel.kind].id_name)
