"""client-ip-lost: a server sees another address than its client's.

Looks at: proxied connections, and translations that rewrite both ends (Swarm's ingress and service addresses,
hairpin NAT).
Says: which address the servers see instead, and for how many connections.
Wrong when: the address in between is meant to be the client, as that of a reverse proxy.
Fix: publish the port in host mode (`--publish mode=host`), or let the proxy pass on the client's address; of a NodePort
of Kubernetes, externalTrafficPolicy: Local.
Verify: the server's log shows the client's address.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from capnet.analysis.core.arrays import distinct
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import is_private
from capnet.analysis.core.results import MAX_EVIDENCE, Evidence, Finding
from capnet.analysis.core.wording import Text, finding_name
from capnet.analysis.facts.models.container_signs import shows_containers
from capnet.analysis.facts.nat.translations import nat_facts
from capnet.analysis.facts.proxies import proxy_facts
from capnet.wire.numbers import NODE_PORTS

NAME = finding_name(__name__)
LEVELS = ("info",)
SCENARIO = "overlay-service"
WITNESS = "pcaps/bridge.pcapng"  # DNAT and masquerade, each of which rewrites one end only
EXPLAINS = ()

PAGE_ZH = """服务器看到的地址不是客户端的。

检查：经过代理的连接，以及两端都被改写的转换（Swarm 的 ingress 和服务地址、hairpin NAT）。
结论：服务器看到的是哪个地址，涉及多少个连接。
误判：中间的地址本来就应是客户端，例如反向代理。
处理：用 host 模式发布端口（`--publish mode=host`），或让代理传递客户端地址；Kubernetes 的 NodePort 用
externalTrafficPolicy: Local。
验证：服务器日志显示客户端的地址。
"""

SAYS = Text(
    en="servers see {address} instead of the client in {connections:connection}",
    zh="在 {connections} 个连接中，服务器看到的是 {address}，而不是客户端",
)
FIX = Text(
    en="publish the port in host mode, or have the proxy say who asked (PROXY protocol, X-Forwarded-For)",
    zh="用 host 模式发布端口，或让代理告知请求来自谁（PROXY protocol、X-Forwarded-For）",
)
NODE_PORT_FIX = Text(
    en="where {port} is a NodePort of Kubernetes, externalTrafficPolicy: Local keeps the client's address, and only "
    "nodes with a pod of the service answer then; else publish the port in host mode",
    zh="如果 {port} 是 Kubernetes 的 NodePort，externalTrafficPolicy: Local 会保留客户端地址，此时只有运行该服务 pod "
    "的节点应答；否则用 host 模式发布端口",
)
ELSEWHERE_FIX = Text(
    en="have the proxy say who asked (PROXY protocol, X-Forwarded-For)",
    zh="让代理告知请求来自谁（PROXY protocol、X-Forwarded-For）",
)

MAX_CLIENTS = 20  # that the facts list


def diagnose(context: Context) -> list[Finding]:
    clients: dict[str, set[str]] = {}
    connections: Counter[str] = Counter()
    evidence: dict[str, list[Evidence]] = {}
    node_ports: dict[str, int] = {}
    for proxy in proxy_facts(context):
        seen_as = proxy.server_side.src
        if proxy.client_side.src != seen_as:
            clients.setdefault(seen_as, set()).add(proxy.client_side.src)
            connections[seen_as] += 1
            evidence.setdefault(seen_as, []).extend(proxy.evidence)
    rewritten = nat_facts(context).of_kinds("snat+dnat")
    addresses, after = rewritten.addresses_at("after", "src")
    before = rewritten.addresses_at("before", "src")[1]
    changed = np.flatnonzero(before != after)
    for number in distinct(after[changed]).tolist():
        rows, seen_as = changed[after[changed] == number], addresses[number]
        clients.setdefault(seen_as, set()).update(addresses[of] for of in distinct(before[rows]).tolist())
        connections[seen_as] += len(rows)
        shown = rewritten.take(rows[:MAX_EVIDENCE])
        asked = [(each.before.dst, each.before.dport) for each in shown]
        for address, port in asked:
            if port is not None and port in NODE_PORTS and is_private(address):
                node_ports[seen_as] = port
        evidence.setdefault(seen_as, []).extend(frame for each in shown for frame in each.evidence[:2])
    return [
        Finding(
            NAME,
            "info",
            SAYS.fill(address=address, connections=connections[address]),
            _fix(context, node_ports.get(address)),
            {
                "seen_as": address,
                "clients": sorted(clients[address])[:MAX_CLIENTS],
                "connections": connections[address],
            },
            evidence[address][:MAX_EVIDENCE],
        )
        for address in sorted(clients)
    ]


def _fix(context: Context, node_port: int | None) -> str:
    if node_port is not None:
        return NODE_PORT_FIX.fill(port=node_port)
    return (FIX if shows_containers(context) else ELSEWHERE_FIX).fill()
