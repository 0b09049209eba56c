"""tunnel-refused: a tunnel endpoint answers the other one's packets with "port unreachable" or "protocol unreachable".

Looks at: ICMP "port unreachable" (IPv4 3/3, IPv6 1/4) that quotes a datagram of a UDP tunnel which the capture shows
between the two, and the port of the tunnel in the other direction. Of a tunnel directly in IP (ESP, GRE, IP in IP),
"protocol unreachable" (IPv4 3/2, IPv6 4/1) too.
Says: who refuses which tunnel on which port, how often, and on which port the other direction sends. Two endpoints that
refuse each other's are one finding.
Wrong when: the endpoint was starting; then the messages end.
Fix: use the same port on both endpoints (Linux's default is 8472, IANA's and Docker's 4789, `--data-path-port` changes
Swarm's), and check that the tunnel interface exists on the endpoint that refuses; of ESP in UDP, its IKE daemon; of
GTP-U, the program that ends it; of WireGuard, its interface. Of a tunnel directly in IP, make its device, or the keys
of ESP, on the endpoint that refuses.
Verify: `ip -d link show type vxlan` on both endpoints shows `dstport`; `ss -lun` shows the port that the kernel opened;
`ip xfrm state`, `wg show`.
"""

from __future__ import annotations

from collections.abc import Iterable

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import Finding, Tunnel
from capnet.analysis.core.wording import Text, finding_name
from capnet.analysis.facts.icmp_errors import IcmpError, first_evidence, icmp_errors
from capnet.analysis.facts.tunnels import tunnel_facts
from capnet.quick_tuple import NamedTuple
from capnet.wire.protocols import KIND_OF_NAME

NAME = finding_name(__name__)
LEVELS = ("error", "warning")
SCENARIO = "fault tunnel-refused"
WITNESS = "pcaps/overlay.pcapng"  # VXLAN that is accepted
EXPLAINS = (
    "tunnel-one-way", "tunnel-not-decapsulated", "stops-between", "connection-unanswered", "handshake-unfinished",
    "arp-unanswered", "neighbour-unanswered", "packet-loss", "retransmissions",
)  # fmt: skip
IS_OF_TUNNEL = True

PAGE_ZH = """隧道的一端用“port unreachable”或“protocol unreachable”应答另一端的包。

检查：引用 UDP 隧道数据报的 ICMP “port unreachable”（IPv4 3/3、IPv6 1/4），抓包中有这两端之间的该隧道，以及另一个方
向上隧道的端口。对直接在 IP 中的隧道（ESP、GRE、IP in IP），还有“protocol unreachable”（IPv4 3/2、IPv6 4/1）。
结论：谁在哪个端口上拒绝哪个隧道，多少次，另一个方向发往哪个端口。互相拒绝的两端是一条诊断。
误判：端点正在启动；这时消息会停止。
处理：两端使用同一端口（Linux 默认 8472，IANA 和 Docker 为 4789，`--data-path-port` 可改变 Swarm 的），并检查拒绝的
一端是否有隧道接口；UDP 中的 ESP 检查其 IKE 程序，GTP-U 检查终结它的程序，WireGuard 检查其接口。对直接在 IP 中的隧
道，在拒绝的一端建立其接口，ESP 则建立其密钥。
验证：两端 `ip -d link show type vxlan` 显示 `dstport`；`ss -lun` 显示内核打开的端口；`ip xfrm state`、`wg show`。
"""

SAYS = Text(
    en="{sender} refuses {kind} from {peer} on UDP port {port} ('port unreachable', {count:time})",
    zh="{sender} 在 UDP 端口 {port} 上拒绝来自 {peer} 的 {kind}（“port unreachable”，{count} 次）",
)
SAYS_PROTOCOL = Text(
    en="{sender} refuses {kind} from {peer} ('{error}', {count:time})",
    zh="{sender} 拒绝来自 {peer} 的 {kind}（“{error}”，{count} 次）",
)
OTHER_PORT = Text(en="; it sends its own to port {port}", zh="；它自己发往端口 {port}")
MISMATCH = Text(
    en="{sender} and {peer} use different UDP ports for {kind}: {peer} sends to port {port}, {sender} to port {other}, "
    "and each refuses the datagrams of the other ('port unreachable', {count:time})",
    zh="{sender} 和 {peer} 的 {kind} 使用不同的 UDP 端口：{peer} 发往端口 {port}，{sender} 发往端口 {other}，双方互相"
    "拒绝（“port unreachable”，{count} 次）",
)
FIX = Text(
    en="use one port on both endpoints (`ip -d link show type vxlan` shows dstport), and check that the tunnel "
    "interface on {sender} is up",
    zh="两端使用同一端口（`ip -d link show type vxlan` 显示 dstport），并检查 {sender} 上的隧道接口是否已启动",
)

FIX_ESP = Text(
    en="check that the IKE daemon on {sender} runs and has NAT traversal (`ss -lun` shows port {port}; `ip xfrm state` "
    "shows its keys); after a restart, {peer} may still use keys that {sender} has lost",
    zh="检查 {sender} 上的 IKE 程序是否在运行并启用了 NAT 穿越（`ss -lun` 显示端口 {port}；`ip xfrm state` 显示密钥）；"
    "重启之后，{peer} 可能还在用 {sender} 已丢失的密钥",
)
FIX_GTPU = Text(
    en="check that the program of {sender} that ends GTP-U (UPF, gNB) runs and listens at UDP port {port} (`ss -lun`)",
    zh="检查 {sender} 上终结 GTP-U 的程序（UPF、gNB）是否在运行并监听 UDP 端口 {port}（`ss -lun`）",
)
FIX_WIREGUARD = Text(
    en="check that the interface of WireGuard on {sender} is up and listens at UDP port {port} (`wg show`), as the "
    "endpoint of {peer} says",
    zh="检查 {sender} 上的 WireGuard 接口是否已启动，并监听对端 {peer} 的 endpoint 所写的 UDP 端口 {port}（`wg show`）",
)
FIX_PROTOCOL = Text(
    en="make the tunnel to {peer} on {sender}: its kernel has nothing that takes IP protocol {proto} from there (`ip "
    "-d link show` lists devices, and for ESP `ip xfrm state` the keys that its IKE daemon makes)",
    zh="在 {sender} 上建立到 {peer} 的隧道：它的内核中没有接收来自那里的 IP 协议 {proto} 的对象（`ip -d link show` 列"
    "出接口；ESP 的密钥由其 IKE 程序建立，用 `ip xfrm state` 查看）",
)
FIXES = {"esp": FIX_ESP, "gtpu": FIX_GTPU, "wireguard": FIX_WIREGUARD}  # else a device of the kernel, as of VXLAN
FIX_MISMATCH = Text(
    en="use one port on both endpoints: `ip -d link show type vxlan` shows dstport (Linux's default is 8472, Docker's "
    "4789)",
    zh="两端使用同一端口：`ip -d link show type vxlan` 显示 dstport（Linux 默认 8472，Docker 为 4789）",
)

MIN_REPEATED = 2  # messages: one alone may fall into the start of an endpoint


class _Refusal(NamedTuple):
    """Who refuses whose datagrams, and the errors in the other direction, if they are refused too."""

    sender: str
    peer: str
    errors: list[IcmpError]
    other_port: int | None
    opposite: list[IcmpError]


def diagnose(context: Context) -> list[Finding]:
    groups: dict[tuple[str, str, int], list[IcmpError]] = {}
    protocols: dict[tuple[str, str, int], list[IcmpError]] = {}
    for error in icmp_errors(context):
        if error.is_refused_protocol:
            protocols.setdefault((error.sender, error.quoted.src, error.quoted.proto), []).append(error)
        elif error.is_refused_datagram:
            groups.setdefault((error.sender, error.quoted.src, error.quoted.dport), []).append(error)
    findings = []
    while groups:
        sender, peer, port = min(groups)
        errors = groups.pop((sender, peer, port))
        between = [tunnel for tunnel in tunnel_facts(context) if set(tunnel.vteps) == {sender, peer}]
        refused = next((tunnel for tunnel in between if tunnel.port == port), None)
        if refused is not None:
            other_port = _other_port(between, port)
            opposite = groups.pop((peer, sender, other_port), []) if other_port else []
            findings.append(_finding(refused, _Refusal(sender, peer, errors, other_port, opposite)))
    return findings + [
        finding for key, errors in sorted(protocols.items()) if (finding := _of_protocol(context, *key, errors))
    ]


def _of_protocol(context: Context, sender: str, peer: str, proto: int, errors: list[IcmpError]) -> Finding | None:
    """What is told of a tunnel directly in IP whose protocol the receiver refuses; None if there is no such tunnel."""
    refused = next(
        (
            tunnel
            for tunnel in tunnel_facts(context)
            if set(tunnel.vteps) == {sender, peer} and proto in KIND_OF_NAME[tunnel.kind].ip_protocols
        ),
        None,
    )
    if refused is None:
        return None
    kind, count = KIND_OF_NAME[refused.kind].title, sum(error.packets for error in errors)
    return Finding(
        NAME,
        "error" if count >= MIN_REPEATED else "warning",
        SAYS_PROTOCOL.fill(sender=sender, kind=kind, peer=peer, error=errors[0].name, count=count),
        FIX_PROTOCOL.fill(sender=sender, peer=peer, proto=proto),
        {"refused_by": sender, "peer": peer, "kind": refused.kind, "ip_protocol": proto, "messages": count},
        first_evidence(errors),
    )


def _other_port(tunnels: Iterable[Tunnel], port: int) -> int | None:
    """The port of a tunnel between the same endpoints, if it has another one."""
    return next((tunnel.port for tunnel in tunnels if tunnel.port not in (None, port)), None)


def _finding(tunnel: Tunnel, refusal: _Refusal) -> Finding:
    sender, peer, errors, other_port, opposite = refusal
    kind, count = KIND_OF_NAME[tunnel.kind].title, sum(error.packets for error in (*errors, *opposite))
    fix = FIXES.get(tunnel.kind, FIX_MISMATCH if opposite else FIX)
    if opposite:
        says = MISMATCH.fill(sender=sender, peer=peer, kind=kind, port=tunnel.port, other=other_port, count=count)
    else:
        says = SAYS.fill(sender=sender, kind=kind, peer=peer, port=tunnel.port, count=count)
        says += OTHER_PORT.fill(port=other_port) if other_port else ""
    return Finding(
        NAME,
        "error" if count >= MIN_REPEATED else "warning",
        says,
        fix.fill(sender=sender, peer=peer, port=tunnel.port),
        {
            "refused_by": sender,
            "peer": peer,
            "kind": tunnel.kind,
            "port": tunnel.port,
            "other_port": other_port,
            "messages": count,
            **({"refused_by_both": True} if opposite else {}),
        },
        first_evidence([*errors, *opposite]),
    )
