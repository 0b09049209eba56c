"""published-port-blocked: connections to a published port arrive at the host and get no answer.

Looks at: SYNs to a host's address without SYN-ACK and without reset, where the topology says that the port is
published, or where that host translates other connections; whether the SYN was seen behind the host; ICMP that says
"administratively prohibited" or "unreachable" about them.
Says: which port, how often it was tried, and how far the SYN came.
Wrong when: the answer took a way that was not captured, or nobody published that port.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, ports, replies, source
from capnet.analysis.core.results import Finding
from capnet.analysis.core.schema import FLOW_DPORT, FLOW_FIRST_FRAME, FLOW_KIND, FLOW_POINT, FLOW_PROTO, FLOW_SYNS
from capnet.analysis.core.wording import plural
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.nat.translations import nat_facts
from capnet.wire.numbers import ICMP, ICMP_UNREACHABLE, TCP


def diagnose(context: Context) -> list[Finding]:
    flows, answers, found = context.flows, replies(context), flow_links(context)
    published = _published(context)
    hosts = {row.after.src for row in nat_facts(context) if row.kind == "snat"}
    hosts |= {row.before.dst for row in nat_facts(context) if "dnat" in row.kind}
    tried: dict[tuple[str, int], list[int]] = {}
    if not published and not hosts:
        return []
    first = (flows[:, FLOW_SYNS] > 0) & (flows[:, FLOW_PROTO] == TCP) & (found.before < 0) & (answers < 0)
    for row in np.flatnonzero(first).tolist():
        where = destination(flows[row]), ports(flows[row])[1] or 0
        if (where in published or where[0] in hosts) and not _answered(context, row, answers):
            tried.setdefault(where, []).append(row)
    findings = []
    said = _said(context) if tried else {}
    for (address, port), rows in sorted(tried.items()):
        attempts = sum(int(flows[row, FLOW_SYNS]) for row in rows)
        if (address, port) not in published and attempts < 2:
            continue
        last = _last_seen(context, rows[0])
        name = published.get((address, port), "")
        behind = f" ({name})" if name else ""
        clients = ((source(flows[row]), ports(flows[row])[1]) for row in rows)
        unreachable = min((said[client] for client in clients if client in said), default=-1)
        teller = source(flows[unreachable]) if unreachable >= 0 else None
        ended = f"{teller} answers 'unreachable'" if teller else f"they were last seen at {context.points[last].name}"
        findings.append(
            Finding(
                "published-port-blocked",
                "error",
                f"{plural(attempts, 'SYN')} to {address}:{port}{behind} got no answer; {ended}",
                "look for a rule in the DOCKER-USER or FORWARD chain, or the host's firewall, that drops them "
                "(`iptables -vnL DOCKER-USER` counts), and whether the port is still published (`docker port`)",
                {"address": address, "port": port, "attempts": attempts, "last_seen": context.points[last].name},
                sorted(context.flow_evidence(row, int(flows[row, FLOW_FIRST_FRAME])) for row in rows)[:10],
            )
        )
    return findings


def _published(context: Context) -> dict[tuple[str, int], str]:
    """(host's address, port) → what is behind it, by the topology."""
    if context.topology is None:
        return {}
    addresses = {
        host.name: [ip.split("/")[0] for i in host.interfaces for ip in i.addresses] for host in context.topology.hosts
    }
    return {
        (ip, port.host_port): f"{box.name}:{port.container_port}"
        for box in context.topology.containers
        for port in box.ports
        for ip in addresses.get(box.host, [])
        if port.host_ip in ("", "0.0.0.0", "::", ip)
    }


def _answered(context: Context, row: int, answers: np.ndarray) -> bool:
    """Did anything come back at this hop or at one that the SYN reached later?"""
    found = flow_links(context)
    while True:
        if answers[row] >= 0:
            return True
        onward = int(found.after[row])
        if onward < 0:
            return False
        row = int(found.target[onward])


def _last_seen(context: Context, row: int) -> int:
    found = flow_links(context)
    while (onward := int(found.after[row])) >= 0:
        row = int(found.target[onward])
    return int(context.flows[row, FLOW_POINT])


def _said(context: Context) -> dict[tuple[str, int | None], int]:
    """To whom and about which port there was ICMP unreachable: the first flow row that says so."""
    flows = context.flows
    first: dict[tuple[str, int | None], int] = {}
    for row in np.flatnonzero((flows[:, FLOW_PROTO] == ICMP) & (flows[:, FLOW_KIND] >> 8 == ICMP_UNREACHABLE)).tolist():
        first.setdefault((destination(flows[row]), int(flows[row, FLOW_DPORT])), row)
    return first
