"""datagram-refused: a server answers datagrams with "port unreachable": no program has that UDP port.

Looks at: UDP flows without an opposite one whose own destination answers with ICMP "port unreachable" (IPv4 3/3, IPv6
1/4), in a network of containers (`facts.outcomes.refused_datagrams`). Not name servers (`dns-failure`), tunnels
(`tunnel-refused`), ports of clients, and hosts of which a client tries many ports.
Says: which address refuses which port, what is translated to it, and, where the namespace that refuses was captured
with its witnesses, on which addresses and ports programs listen in it instead.
Wrong when: a rule rejects with icmp-port-unreachable in the name of the server.
Fix: start the server, let it listen on 0.0.0.0 instead of 127.0.0.1, or publish the port that it listens on, with /udp.
Verify: `ss -lun` in the server's network namespace; `iptables -vnL` for rules with icmp-port-unreachable.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context, with_name
from capnet.analysis.core.results import Finding
from capnet.analysis.core.schema import FLOW_PACKETS, FLOW_POINT
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.facts.kernel import listening_instead
from capnet.analysis.facts.models.container_signs import shows_containers
from capnet.analysis.facts.outcomes.refused_datagrams import RefusedDatagrams, refused_udp_ports
from capnet.analysis.facts.tunnels import tunnel_facts
from capnet.wire.numbers import PORT_DNS

NAME = finding_name(__name__)
LEVELS = ("warning",)
SCENARIO = None  # tests/analysis/facts/kernel/recorded has a capture of it
WITNESS = "pcaps/bridge.pcapng"  # datagrams that are answered
EXPLAINS = ()

PAGE_ZH = """服务器用“port unreachable”应答数据报：没有程序使用该 UDP 端口。

检查：在容器网络中，没有反方向的流、而其目的地自己用 ICMP “port unreachable”（IPv4 3/3、IPv6 1/4）应答的 UDP 流
（`facts.outcomes.refused_datagrams`）。不包括名称服务器（`dns-failure`）、隧道（`tunnel-refused`）、客户端的端口，以及被一个
客户端尝试许多端口的主机。
结论：哪个地址拒绝哪个端口，什么被转换到它；抓包带有拒绝者所在命名空间的见证时，其中的程序监听哪些地址和端口。
误判：有规则以服务器的名义用 icmp-port-unreachable 拒绝。
处理：启动服务器，让它监听 0.0.0.0 而不是 127.0.0.1，或发布它所监听的端口，并写 /udp。
验证：在服务器的网络命名空间中 `ss -lun`；用 `iptables -vnL` 查找带 icmp-port-unreachable 的规则。
"""

SAYS = Text(
    en="{address} refused {packets:datagram} to UDP port {port}{services} (ICMP port unreachable)",
    zh="{address} 拒绝了到 UDP 端口 {port}{services} 的 {packets} 个数据报（ICMP port unreachable）",
)
FOR = Text(en=", to which {services} is translated", zh="（由 {services} 转换而来）")
FIX = Text(
    en="start the server, or publish the port it really listens on, with /udp",
    zh="启动服务器，或发布它实际监听的端口，并写 /udp",
)

MIN_DATAGRAMS = 2  # one alone may meet a server that is starting


def diagnose(context: Context) -> list[Finding]:
    if not len(context.icmp_errors) or not shows_containers(context):
        return []
    ports = {(vtep, tunnel.port) for tunnel in tunnel_facts(context) for vtep in tunnel.vteps}
    return [
        _finding(context, of)
        for of in refused_udp_ports(context)
        if of.port != PORT_DNS and (of.address, of.port) not in ports and _datagrams(context, of) >= MIN_DATAGRAMS
    ]


def _datagrams(context: Context, of: RefusedDatagrams) -> int:
    """How many at the point that shows most of them."""
    by_point: dict[int, int] = {}
    for point, packets in context.flows[of.rows][:, [FLOW_POINT, FLOW_PACKETS]].tolist():
        by_point[point] = by_point.get(point, 0) + packets
    return max(by_point.values())


def _finding(context: Context, of: RefusedDatagrams) -> Finding:
    points = {frame.point for frame in of.errors}
    listening = listening_instead(context, "udp", of.address, of.port, points)
    services = FOR.fill(services=several(of.services)) if of.services else ""
    packets = _datagrams(context, of)
    says = SAYS.fill(address=with_name(context, of.address), packets=packets, port=of.port, services=services)
    facts: dict[str, object] = {"address": of.address, "port": of.port, "packets": packets}
    if listening:
        says, facts = says + listening.says, facts | listening.facts
    evidence = sorted({*context.first_frames(of.rows), *of.errors})
    return Finding(NAME, "warning", says, listening.fix if listening else FIX.fill(), facts, evidence)
