"""connection-refused: a server answers a SYN with RST.

Looks at: TCP flows with a SYN whose opposite direction, at the same point, has RST and no SYN-ACK.
Says: which address refused which ports; more than five ports of one address are one sentence.
Wrong when: the SYN-ACK passed outside the capture.
Fix: start the server, let it listen on 0.0.0.0 instead of 127.0.0.1, or publish the port that it listens on. A firewall
rule that rejects with tcp-reset looks the same.
Verify: `ss -ltn` in the server's network namespace; `iptables -vnL` for rules with tcp-reset.
"""

from __future__ import annotations

from collections.abc import Iterator

from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, ports, replies
from capnet.analysis.core.results import MAX_EVIDENCE, Evidence, Finding
from capnet.analysis.core.schema import FLOW_FIRST_FRAME, FLOW_SYNACK_TIME, FLOW_SYNS, FLOW_TCP_FLAGS
from capnet.analysis.core.wording import Text, finding_name
from capnet.analysis.facts.models.container_signs import shows_containers
from capnet.wire.numbers import TCP_RST

NAME = finding_name(__name__)
LEVELS = ("warning",)
SCENARIO = "fault connection-refused"
WITNESS = "pcaps/bridge.pcapng"  # TCP connections that are accepted
EXPLAINS = ()

SAYS = Text(en="{address} refused connections to port {port}", zh="")
SAYS_PORTS = Text(en="{address} refused connections to {count} ports, {first} to {last}", zh="")
FIX = Text(en="start the server, or publish the port it really listens on", zh="")
ELSEWHERE_FIX = Text(en="start the server, or ask for the port it really listens on", zh="")

MAX_SINGLE_PORTS = 5  # of one address: more are a scan, which is one finding
MAX_LISTED_PORTS = 100  # that the facts list


def diagnose(context: Context) -> list[Finding]:
    refusals = _refusals(context)
    ports_of: dict[str, list[int | None]] = {}
    for address, port in sorted(refusals, key=lambda server: (server[0], server[1] or 0)):
        ports_of.setdefault(address, []).append(port)
    fix = FIX if shows_containers(context) else ELSEWHERE_FIX
    findings = []
    for address, group in _groups(ports_of):
        facts: dict[str, object] = {"address": address, "port": group[0]}
        says = SAYS.fill(address=address, port=group[0])
        if len(group) > 1:
            facts["ports"] = group[:MAX_LISTED_PORTS]
            facts["ports_in_all"] = len(group)
            says = SAYS_PORTS.fill(address=address, count=len(group), first=group[0], last=group[-1])
        evidence = sorted(frame for port in group for frame in refusals[address, port])
        findings.append(Finding(NAME, "warning", says, fix.fill(), facts, evidence[:MAX_EVIDENCE]))
    return findings


def _refusals(context: Context) -> dict[tuple[str, int | None], list[Evidence]]:
    """Server address and port → the first frame of each flow that refuses."""
    flows, answers = context.flows, replies(context)
    refusals: dict[tuple[str, int | None], list[Evidence]] = {}
    is_reset = (flows[answers, FLOW_TCP_FLAGS] & TCP_RST != 0) & (flows[answers, FLOW_SYNACK_TIME] < 0)
    for row in ((flows[:, FLOW_SYNS] > 0) & (answers >= 0) & is_reset).nonzero()[0].tolist():
        answer = int(answers[row])
        server = (destination(flows[row]), ports(flows[row])[1])
        refusals.setdefault(server, []).append(context.flow_evidence(answer, int(flows[answer, FLOW_FIRST_FRAME])))
    return refusals


def _groups(ports_of: dict[str, list[int | None]]) -> Iterator[tuple[str, list[int | None]]]:
    """Address and the ports that one finding is about."""
    for address, refused in ports_of.items():
        if len(refused) > MAX_SINGLE_PORTS:
            yield address, refused
        else:
            yield from ((address, [port]) for port in refused)
