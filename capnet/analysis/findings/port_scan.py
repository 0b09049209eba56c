"""port-scan: a client tries many ports or addresses, most of which do not accept.

Looks at: TCP connections of clients that try more than five ports of an address, twenty addresses that do not accept,
or one port of more than ten neighbours; that take one source port for three or more ports of a server; or that ask for
twenty neighbours that are not there (`facts.losses.scanning_clients`). Four of them or more, and half of them or more,
are not accepted. Not ports that the client wants: it exchanges data with them, or tries them more than twice each
(`facts.syns.scans.wanted_ports`). Of UDP: clients that try more than five ports below 1024 of an address, once or twice
each, which do not answer, or refuse with ICMP "port unreachable".
Says: who tried how many ports and addresses, and how many accepted, refused, and did not answer. Other findings leave
these connections out.
Wrong when: a program with many servers to ask was started before them.
Fix: none is needed for an inventory or a monitor; else find the program that scans on the client.
Verify: `ss -tnp state syn-sent` on the client while it asks.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context, with_name
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.wording import Text, endpoint_text, finding_name, several
from capnet.analysis.facts.syns.scans.port_scans import PortScan, port_scans
from capnet.wire.numbers import proto_name

NAME = finding_name(__name__)
LEVELS = ("info",)
SCENARIO = None  # no scenario has a scanner
WITNESS = "pcaps/bridge.pcapng"  # a few connections, each to a port that accepts
EXPLAINS = ()

PAGE_ZH = """一个客户端尝试许多端口或地址，其中多数不接受连接。

检查：以下客户端的 TCP 连接：尝试一个地址的五个以上端口、二十个不接受的地址，或十个以上邻居的同一端口；用同一源端口访问
一台服务器的三个以上端口；或询问二十个不存在的邻居（`facts.losses.scanning_clients`）。其中至少四个且至少一半没有被接受。
客户端确实要用的端口不算：与它交换过数据，或对它尝试了两次以上（`facts.syns.scans.wanted_ports`）。
UDP：客户端对一个地址的五个以上小于 1024 的端口各尝试一两次，没有应答，或被 ICMP “port unreachable”拒绝。
结论：谁尝试了多少端口和地址，其中多少接受、多少拒绝、多少没有应答。其他结论不再计入这些连接。
误判：要访问许多服务器的程序先于它们启动。
处理：如果是清点或监控程序，则无需处理；否则在客户端上找出扫描的程序。
验证：在客户端上，扫描进行时执行 `ss -tnp state syn-sent`。
"""

SAYS = Text(en="{client} tried {what}{source}: {outcomes}", zh="{client} 尝试了 {what}{source}：{outcomes}")
PORTS = Text(
    en="{count} {proto} ports of {address}, {first} to {last}",
    zh="{address} 的 {count} 个 {proto} 端口（{first} 到 {last}）",
)
ADDRESSES = Text(en="{proto} port {port} of {count} addresses", zh="{count} 个地址的 {proto} 端口 {port}")
BOTH = Text(
    en="{ports} {proto} ports of {addresses} addresses, {tried} combinations",
    zh="{addresses} 个地址的 {ports} 个 {proto} 端口，共 {tried} 种组合",
)
SOURCE = Text(en=", all from port {port}", zh="，均来自端口 {port}")
ACCEPTED = Text(en="{count} accepted", zh="{count} 个接受")
REFUSED = Text(en="{count} refused", zh="{count} 个拒绝")
SILENT = Text(en="{count} did not answer", zh="{count} 个没有应答")
FIX = Text(
    en="none is needed for an inventory or a monitor; else find the program that scans on {client}",
    zh="如果是清点或监控程序，则无需处理；否则在 {client} 上找出扫描的程序",
)


def diagnose(context: Context) -> list[Finding]:
    return [_finding(context, scan) for scan in port_scans(context)]


def _finding(context: Context, scan: PortScan) -> Finding:
    counts = ((ACCEPTED, scan.accepted), (REFUSED, scan.refused), (SILENT, scan.silent))
    outcomes = several([text.fill(count=count) for text, count in counts if count])
    source = SOURCE.fill(port=scan.source_port) if scan.source_port is not None else ""
    client = with_name(context, scan.client)
    return Finding(
        NAME,
        "info",
        SAYS.fill(client=client, what=_what(context, scan), source=source, outcomes=outcomes),
        FIX.fill(client=client),
        {
            "client": scan.client, "seen_as": scan.seen_as, "proto": proto_name(scan.proto),
            "servers": scan.servers, "servers_in_all": scan.servers_in_all,
            "ports": scan.ports, "ports_in_all": scan.ports_in_all, "tries": scan.tried,
            "accepted": scan.accepted, "refused": scan.refused, "unanswered": scan.silent,
            "open": [endpoint_text(address, port) for address, port in scan.open_ports],
        },
        context.first_frames(scan.rows[:MAX_EVIDENCE].tolist()),
    )  # fmt: skip


def _what(context: Context, scan: PortScan) -> str:
    """What it tried: ports of an address, a port of addresses, or many of both."""
    proto, ports = proto_name(scan.proto).upper(), scan.ports_in_all
    if scan.servers_in_all == 1:
        address = with_name(context, scan.servers[0])
        return PORTS.fill(proto=proto, count=ports, address=address, first=scan.ports[0], last=scan.last_port)
    if ports == 1:
        return ADDRESSES.fill(proto=proto, port=scan.ports[0], count=scan.servers_in_all)
    return BOTH.fill(proto=proto, ports=ports, addresses=scan.servers_in_all, tried=scan.tried)
