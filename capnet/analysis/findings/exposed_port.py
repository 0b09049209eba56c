"""exposed-port: a published port answers addresses of the Internet, which the host's own firewall does not see.

Looks at: TCP connections and datagrams of global addresses to a port that the topology knows as published, at an
address of its host; those that are answered.
Says: which port leads to which container, and how many addresses of the Internet it answered.
Wrong when: the port is meant to be public; then nothing is wrong.
Fix: publish the port at an address that the Internet does not reach, or filter it in the chain DOCKER-USER. DNAT comes
before the chain INPUT, where ufw and a host's own rules are.
Verify: `docker ps` shows 0.0.0.0:PORT; `iptables -t nat -vnL DOCKER` counts new connections; connect from outside.
"""

from __future__ import annotations

from ipaddress import ip_address

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_among
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, ports, proto_name, reply_values, source
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.schema import FlowRows
from capnet.analysis.core.wording import Text, endpoint_text, finding_name
from capnet.analysis.fate.next_points import is_answered
from capnet.quick_tuple import NamedTuple
from capnet.topology import Topology
from capnet.topology.port_lookup import addresses_reaching

NAME = finding_name(__name__)
LEVELS = ("info",)
SCENARIO = None  # clients of the lab have private addresses
WITNESS = "pcaps/bridge.pcapng"  # a published port, and a client of the LAN
EXPLAINS = ()

PAGE_ZH = """发布的端口应答了互联网上的地址，而主机自己的防火墙看不到它们。

检查：全球地址访问拓扑中已发布端口（在其主机的某个地址上）的 TCP 连接和数据报，且得到了应答。
结论：哪个端口通往哪个容器，应答了多少个互联网地址。
误判：该端口本来就要公开；那么没有问题。
处理：把端口发布在互联网到不了的地址上，或在 DOCKER-USER 链中过滤。DNAT 在 INPUT 链之前，而 ufw 和主机自己的规则在 INPUT
中。
验证：`docker ps` 显示 0.0.0.0:PORT；`iptables -t nat -vnL DOCKER` 统计新连接；从外部连接。
"""

SAYS = Text(
    en="port {port}/{proto} of {host}, which leads to {container}, answers {count} {count:address|addresses} of the "
    "Internet",
    zh="{host} 的端口 {port}/{proto}（通往 {container}）应答了 {count} 个互联网地址",
)
FIX = Text(
    en="if it is not meant to be public: `-p 127.0.0.1:{port}:{inside}` publishes it for the host alone, a rule in "
    "DOCKER-USER filters it. ufw and rules of INPUT do not: Docker translates before them",
    zh="如果不打算公开：`-p 127.0.0.1:{port}:{inside}` 只对主机发布，DOCKER-USER 中的规则可以过滤。ufw 和 INPUT 中的"
    "规则不行：Docker 在它们之前做转换",
)

MAX_ROWS = 10_000  # answered flows to published ports that are looked at


class _Door(NamedTuple):
    """A published port, and what it leads to."""

    host: str
    proto: str
    port: int
    container: str
    inside: int


def diagnose(context: Context) -> list[Finding]:
    doors = _doors(context.topology) if context.topology else {}
    flows = context.flows
    numbers = np.array(sorted({port for _, _, port in doors}), np.int64)
    if not len(numbers):
        return []
    rows = np.flatnonzero(is_among(flows[:, schema.FLOW_DPORT], numbers) & is_answered(context))[:MAX_ROWS]
    is_accepted = reply_values(context, schema.FLOW_SYNACK_TIME) >= 0  # a RST is an answer, too
    found: dict[_Door, list[int]] = {}
    for row in rows.tolist():
        flow = flows[row]
        door = doors.get((destination(flow), proto_name(flow[schema.FLOW_PROTO]), ports(flow)[1] or 0))
        if door and (door.proto != "tcp" or is_accepted[row]) and ip_address(source(flow)).is_global:
            found.setdefault(door, []).append(row)
    return [_finding(context, door, np.array(of_door, np.int64)) for door, of_door in sorted(found.items())]


def _doors(topology: Topology) -> dict[tuple[str, str, int], _Door]:
    """Address of a host, protocol and port → what is published there."""
    return {
        (address, of.proto, of.host_port): _Door(
            container.host, of.proto, of.host_port, container.name, of.container_port
        )
        for host in topology.hosts
        for container in topology.containers
        if container.host == host.name
        for of in container.ports
        for address in addresses_reaching(of, host)
    }


def _finding(context: Context, door: _Door, rows: FlowRows) -> Finding:
    sources = sorted({source(context.flows[row]) for row in rows})
    return Finding(
        NAME,
        "info",
        SAYS.fill(port=door.port, proto=door.proto, host=door.host, container=door.container, count=len(sources)),
        FIX.fill(port=door.port, inside=door.inside),
        {
            "host": door.host, "port": door.port, "proto": door.proto,
            "container": endpoint_text(door.container, door.inside), "sources": sources[:MAX_EVIDENCE],
        },
        context.first_frames(rows)[:MAX_EVIDENCE],
    )  # fmt: skip
