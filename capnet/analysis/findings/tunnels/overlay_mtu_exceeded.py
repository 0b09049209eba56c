"""overlay-mtu-exceeded: packets of an overlay network are larger than the underlay carries.

Looks at: fragments of VXLAN's outer packets; ICMP "fragmentation needed" about VXLAN packets, or between addresses
inside a tunnel, where the kernel names the remote container as its sender.
Says: which tunnel, how large its packets are inside and outside, and between which points they are lost, which makes it
an error.
Wrong when: another path between the same hosts has the smaller MTU.
Fix: set the overlay network's MTU to underlay MTU − 50, or raise the underlay MTU by 50.
Verify: `nsenter -t PID -n ping -M do -s $((MTU-28)) ADDRESS`; `docker network inspect` shows driver.mtu.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from capnet import language
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, source
from capnet.analysis.core.results import Evidence, Finding, Tunnel
from capnet.analysis.core.schema import (
    FLOW_CARRIES,
    FLOW_DPORT,
    FLOW_FRAGMENTS,
    FLOW_KIND,
    FLOW_PROTO,
    FlowRow,
)
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.facts.icmp_errors import icmp_errors
from capnet.analysis.facts.models.container_signs import shows_containers
from capnet.analysis.facts.transport.lost_lengths import LostLengths, lost_lengths
from capnet.analysis.facts.tunnels import tunnel_facts
from capnet.quick_tuple import NamedTuple
from capnet.wire.numbers import ICMP, ICMP_FRAGMENTATION_NEEDED, ICMP_UNREACHABLE
from capnet.wire.protocols.vxlan import TUNNEL_VXLAN

NAME = finding_name(__name__)
LEVELS = ("error", "warning")
SCENARIO = "fault overlay-mtu-exceeded"
WITNESS = "tests/made/vxlan_offload.pcap"  # offload segments of 64 KiB in one outer datagram
EXPLAINS = ("mtu-blackhole", "packet-loss", "retransmissions", "sequence-gap")

PAGE_ZH = """overlay 网络的包大于底层网络所能承载的。

检查：VXLAN 外层包的分片；关于 VXLAN 包、或隧道内地址之间的 ICMP “fragmentation needed”，内核以对端容器的名义发送后
者。
结论：哪个隧道，它的包在内层和外层各有多大；在哪两个抓包点之间丢失，这时是错误。
误判：同样两台主机之间的另一条路径有更小的 MTU。
处理：把 overlay 网络的 MTU 设为底层 MTU − 50，或把底层 MTU 提高 50。
验证：`nsenter -t PID -n ping -M do -s $((MTU-28)) ADDRESS`；`docker network inspect` 显示 driver.mtu。
"""

SAYS = Text(
    en="VNI {vni} between {vteps} carries {inner}-byte packets, {outer} with the tunnel: {reason}",
    zh="{vteps} 之间的 VNI {vni} 承载 {inner} 字节的包，加上隧道为 {outer} 字节：{reason}",
)
FRAGMENTED = Text(en="they cross the wire in fragments", zh="它们在线路上被分片")
REFUSED = Text(
    en='ICMP "fragmentation needed" names {sender}{mtu}', zh="ICMP “fragmentation needed” 来自 {sender}{mtu}"
)
LOST = Text(
    en="{packets:packet} of {fails} bytes or more are lost between {before} and {after}",
    zh="{before} 与 {after} 之间丢失 {packets} 个 {fails} 字节以上的包",
)
NEXT_HOP_MTU = Text(en=", next-hop MTU {mtu}", zh="，下一跳 MTU {mtu}")
FIX = Text(
    en="set the network MTU to underlay MTU − 50 (docker network create --opt "
    "com.docker.network.driver.mtu=…), or raise the underlay MTU by 50",
    zh="把网络的 MTU 设为底层 MTU − 50（`docker network create --opt com.docker.network.driver.mtu=…`），或把底层 MTU "
    "提高 50",
)
ELSEWHERE_FIX = Text(
    en="set the MTU inside the tunnel to underlay MTU − 50, or raise the underlay MTU by 50",
    zh="把隧道内的 MTU 设为底层 MTU − 50，或把底层 MTU 提高 50",
)

FRAGMENTATION_NEEDED = ICMP_UNREACHABLE * 256 + ICMP_FRAGMENTATION_NEEDED  # FLOW_KIND
MAX_FLOWS = 4096  # of fragments, and of ICMP errors, that are compared with each tunnel
MIN_REASSEMBLED = 576  # bytes that every link and host takes (RFC 791); below, or unknown, no MTU is the reason
VXLAN_OVERHEAD = 50  # bytes: outer IPv4 20, UDP 8, VXLAN 8, inner Ethernet 14


class _Excess(NamedTuple):
    """A tunnel whose packets are too large, why that is known, and the frames that show it."""

    tunnel: Tunnel
    reason: Callable[[], str]  # the sentence
    evidence: list[Evidence]


class _MtuError(NamedTuple):
    """A flow of "fragmentation needed": its row, its two ends, the UDP port of the packet that it quotes."""

    row: int
    ends: frozenset[str]
    port: int


def diagnose(context: Context) -> list[Finding]:
    return [_finding(context, excess) for excess in _excesses(context)]


def _finding(context: Context, excess: _Excess) -> Finding:
    """An error if packets of the tunnel are lost by their length."""
    tunnel, reason, evidence = excess
    lost = _lost(context, tunnel)
    says = SAYS.fill(
        vni=tunnel.vni,
        vteps=several(tunnel.vteps),
        inner=tunnel.largest_inner_ip,
        outer=tunnel.largest_inner_ip + VXLAN_OVERHEAD,
        reason=reason(),
    )
    facts: dict[str, Any] = {
        "vni": tunnel.vni,
        "vteps": tunnel.vteps,
        "inner": tunnel.largest_inner_ip,
        "reason": language.in_english(reason),
    }
    if lost:
        before, after = (context.points[point].name for point in lost[0].points)
        packets = sum(of_flow.lost for of_flow in lost)
        fails = min(of_flow.smallest_lost for of_flow in lost)
        says = language.clauses([says, LOST.fill(packets=packets, fails=fails, before=before, after=after)])
        facts |= {"from": before, "to": after, "packets": packets}
        evidence = sorted({*evidence, *(frame for of_flow in lost for frame in of_flow.evidence)})
    fix = (FIX if shows_containers(context) else ELSEWHERE_FIX).fill()
    return Finding(NAME, "error" if lost else "warning", says, fix, facts, evidence)


def _lost(context: Context, tunnel: Tunnel) -> list[LostLengths]:
    """Datagrams of the tunnel of which only the larger ones are missing, between the two points where most are."""
    by_points: dict[tuple[int, int], list[LostLengths]] = {}
    for of_flow in lost_lengths(context):
        row = context.flows[of_flow.flow]
        if row[FLOW_CARRIES] == TUNNEL_VXLAN and _ends(row) == frozenset(tunnel.vteps):
            by_points.setdefault(of_flow.points, []).append(of_flow)
    return max(by_points.values(), key=lambda of_points: sum(of_flow.lost for of_flow in of_points), default=[])


def _excesses(context: Context) -> list[_Excess]:
    """One for each VNI between two VTEPs that has any, that with the largest packets first."""
    excesses: dict[tuple[object, ...], _Excess] = {}
    fragments, errors = _fragments(context), _mtu_errors(context)
    tunnels = [
        tunnel
        for tunnel in tunnel_facts(context)
        if tunnel.kind == "vxlan" and tunnel.largest_inner_ip + VXLAN_OVERHEAD > MIN_REASSEMBLED
    ]
    for tunnel in sorted(tunnels, key=lambda tunnel: -tunnel.largest_inner_ip):
        key = (tunnel.vni, *tunnel.vteps)
        if key in excesses:
            continue
        vteps, containers = frozenset(tunnel.vteps), frozenset(tunnel.inner_ips)
        refusals = [
            error.row
            for error in errors  # about a VXLAN packet of that tunnel, or between two of its containers
            if (error.port == tunnel.port and not vteps.isdisjoint(error.ends)) or error.ends <= containers
        ]
        if vteps in fragments:
            excesses[key] = _Excess(tunnel, FRAGMENTED.fill, _first_frames(context, fragments[vteps]))
        elif refusals:
            reason = partial(_refusal, context, source(context.flows[refusals[0]]))
            excesses[key] = _Excess(tunnel, reason, _first_frames(context, refusals))
    return list(excesses.values())


def _refusal(context: Context, sender: str) -> str:
    """The message that `sender` is named in, with the smallest next-hop MTU that one with this sender has."""
    mtus = [
        error.mtu
        for error in icmp_errors(context)
        if error.sender == sender and (error.type, error.code) == (ICMP_UNREACHABLE, ICMP_FRAGMENTATION_NEEDED)
    ]
    mtu = min((mtu for mtu in mtus if mtu > 0), default=0)
    return REFUSED.fill(sender=sender, mtu=NEXT_HOP_MTU.fill(mtu=mtu) if mtu else "")


def _fragments(context: Context) -> dict[frozenset[str], list[int]]:
    """Both VTEPs → flow rows of fragmented VXLAN between them."""
    flows = context.flows
    fragments: dict[frozenset[str], list[int]] = {}
    is_fragmented = (flows[:, FLOW_FRAGMENTS] > 0) & (flows[:, FLOW_CARRIES] == TUNNEL_VXLAN)
    for row in np.flatnonzero(is_fragmented)[:MAX_FLOWS].tolist():
        fragments.setdefault(_ends(flows[row]), []).append(row)
    return fragments


def _mtu_errors(context: Context) -> list[_MtuError]:
    flows = context.flows
    rows = np.flatnonzero((flows[:, FLOW_PROTO] == ICMP) & (flows[:, FLOW_KIND] == FRAGMENTATION_NEEDED))
    return [_MtuError(row, _ends(flows[row]), int(flows[row, FLOW_DPORT])) for row in rows[:MAX_FLOWS].tolist()]


def _ends(row: FlowRow) -> frozenset[str]:
    return frozenset((source(row), destination(row)))


def _first_frames(context: Context, rows: list[int]) -> list[Evidence]:
    return sorted(context.first_frames(rows))
