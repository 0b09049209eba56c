"""published-port-blocked: connections to a published port arrive at the host and get no answer.

Looks at: SYNs to a host's address without SYN-ACK and without RST, where the topology says that the port is published,
or where the host translates other connections to it; ICMP "unreachable" about them. Not SYNs that were seen translated:
these got in.
Says: which port, how often it was tried, and at which point the SYN was last seen.
Wrong when: the answer took a way that was not captured, or the port is not published any more.
Fix: remove the rule in DOCKER-USER, in FORWARD, or in the host's firewall that drops the SYNs; or publish the port.
Verify: `iptables -vnL DOCKER-USER` and `iptables -t raw -vnL PREROUTING` count the drops; `docker port CONTAINER`.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import destination, ports, replies, source
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.schema import (
    FLOW_DPORT,
    FLOW_DST_HI,
    FLOW_DST_LO,
    FLOW_FIRST_FRAME,
    FLOW_KIND,
    FLOW_POINT,
    FLOW_PROTO,
    FLOW_SYNS,
)
from capnet.analysis.core.wording import Text, finding_name
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.nat.translations import nat_facts
from capnet.topology import Topology
from capnet.wire.numbers import ICMP, ICMP_UNREACHABLE, TCP

NAME = finding_name(__name__)
LEVELS = ("error",)
SCENARIO = "fault published-port-blocked"
WITNESS = "pcaps/bridge.pcapng"  # a published port that answers
EXPLAINS = ("retransmissions",)

UNREACHABLE = Text(
    en="{attempts:SYN} to {address}:{port}{server} got no answer; {sender} answers 'unreachable'",
    zh="",
)
LAST_SEEN = Text(
    en="{attempts:SYN} to {address}:{port}{server} got no answer; they were last seen at {point}",
    zh="",
)
FIX = Text(
    en="look for a rule in the DOCKER-USER or FORWARD chain, or the host's firewall, that drops them "
    "(`iptables -vnL DOCKER-USER` counts), and whether the port is still published (`docker port`)",
    zh="",
)

_DESTINATION = [FLOW_DST_HI, FLOW_DST_LO, FLOW_DPORT]
MIN_ATTEMPTS = 2  # SYNs to a port that only packets suggest is published: a last one may get its answer later


def diagnose(context: Context) -> list[Finding]:
    published = _published_ports(context.topology) if context.topology else {}
    findings = []
    for (address, port), rows in sorted(_unanswered_syns(context, published).items()):
        attempts = sum(int(context.flows[row, FLOW_SYNS]) for row in rows)
        if (address, port) in published or attempts >= MIN_ATTEMPTS:
            findings.append(_finding(context, address, port, published.get((address, port)), rows, attempts))
    return findings


def _finding(context: Context, address: str, port: int, server: str | None, rows: list[int], attempts: int) -> Finding:
    """`server`: the container behind the port, where the topology names it; `rows`: first hops of the SYNs."""
    flows = context.flows
    point = context.points[_last_point(context, rows[0])].name
    errors = _unreachable_errors(context)
    clients = ((source(flows[row]), ports(flows[row])[1]) for row in rows)
    error = min((errors[client] for client in clients if client in errors), default=-1)
    sender = source(flows[error]) if error >= 0 else None
    text = UNREACHABLE if sender else LAST_SEEN
    return Finding(
        NAME,
        "error",
        text.fill(
            attempts=attempts,
            address=address,
            port=port,
            server=f" ({server})" if server else "",
            point=point,
            sender=sender,
        ),
        FIX.fill(),
        {"address": address, "port": port, "attempts": attempts, "last_seen": point},
        sorted(context.flow_evidence(row, int(flows[row, FLOW_FIRST_FRAME])) for row in rows)[:MAX_EVIDENCE],
    )


def _unanswered_syns(context: Context, published: dict[tuple[str, int], str]) -> dict[tuple[str, int], list[int]]:
    """Published address and port → first hops of unanswered SYNs to it that no translation let in."""
    flows, answers, links = context.flows, replies(context), flow_links(context)
    dnats = [translation.before for translation in nat_facts(context) if "dnat" in translation.kind]
    doors = {*published, *((before.dst, before.dport) for before in dnats)}
    unanswered: dict[tuple[str, int], list[int]] = {}
    if not doors:
        return unanswered
    is_first_syn = (flows[:, FLOW_SYNS] > 0) & (flows[:, FLOW_PROTO] == TCP) & (links.before < 0) & (answers < 0)
    for row in np.flatnonzero(is_first_syn).tolist():
        address, port = destination(flows[row]), ports(flows[row])[1] or 0
        if (address, port) in doors and not _got_in(context, row, answers):
            unanswered.setdefault((address, port), []).append(row)
    return unanswered


def _published_ports(topology: Topology) -> dict[tuple[str, int], str]:
    """(host's address, port) → the container and its port behind it."""
    addresses = {
        host.name: [ip.split("/")[0] for interface in host.interfaces for ip in interface.addresses]
        for host in topology.hosts
    }
    return {
        (ip, port.host_port): f"{container.name}:{port.container_port}"
        for container in topology.containers
        for port in container.ports
        for ip in addresses.get(container.host, [])
        if port.host_ip in ("", "0.0.0.0", "::", ip)
    }


def _got_in(context: Context, row: int, answers: np.ndarray) -> bool:
    """Was this hop, or one behind it, answered, or sent on to another address or port?"""
    links, door = flow_links(context), context.flows[row, _DESTINATION]
    while answers[row] < 0 and (context.flows[row, _DESTINATION] == door).all():
        link = int(links.after[row])
        if link < 0:
            return False
        row = int(links.target[link])
    return True


def _last_point(context: Context, row: int) -> int:
    """The point of the last hop behind a flow row."""
    links = flow_links(context)
    while (link := int(links.after[row])) >= 0:
        row = int(links.target[link])
    return int(context.flows[row, FLOW_POINT])


@derived
def _unreachable_errors(context: Context) -> dict[tuple[str, int | None], int]:
    """(receiver, destination port of the quoted packet) → the first flow row of ICMP "unreachable"."""
    flows = context.flows
    errors: dict[tuple[str, int | None], int] = {}
    is_unreachable = (flows[:, FLOW_PROTO] == ICMP) & (flows[:, FLOW_KIND] >> 8 == ICMP_UNREACHABLE)
    for row in np.flatnonzero(is_unreachable).tolist():
        errors.setdefault((destination(flows[row]), int(flows[row, FLOW_DPORT])), row)
    return errors
