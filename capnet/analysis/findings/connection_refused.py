"""connection-refused: a SYN was answered with a reset.

Looks at: TCP flows with a SYN whose opposite direction, at the same point, has RST but no SYN-ACK.
Says: who refused which ports, more than five of one address in one sentence; nothing listens there, or a firewall
rejects with tcp-reset.
Wrong when: the SYN-ACK passed outside the capture.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, ports, replies
from capnet.analysis.core.results import Evidence, Finding
from capnet.analysis.core.schema import FLOW_FIRST_FRAME, FLOW_SYNACK_TIME, FLOW_SYNS, FLOW_TCP_FLAGS
from capnet.wire.numbers import TCP_RST

MOST_PORTS = 5  # of one address, told one by one
MOST_LISTED = 100


def diagnose(context: Context) -> list[Finding]:
    flows, answers = context.flows, replies(context)
    refused: dict[tuple[str, int | None], list[Evidence]] = {}
    reset = (flows[answers, FLOW_TCP_FLAGS] & TCP_RST != 0) & (flows[answers, FLOW_SYNACK_TIME] < 0)
    for row in ((flows[:, FLOW_SYNS] > 0) & (answers >= 0) & reset).nonzero()[0].tolist():
        back = int(answers[row])
        where = (destination(flows[row]), ports(flows[row])[1])
        refused.setdefault(where, []).append(context.flow_evidence(back, int(flows[back, FLOW_FIRST_FRAME])))
    ports_of: dict[str, list[int | None]] = {}
    for address, port in sorted(refused, key=lambda where: (where[0], where[1] or 0)):
        ports_of.setdefault(address, []).append(port)
    findings = []
    for address, refusing in ports_of.items():
        # A scan is one thing to tell, not thousands.
        for group in [[port] for port in refusing] if len(refusing) <= MOST_PORTS else [refusing]:
            evidence = sorted(each for port in group for each in refused[address, port])
            facts: dict[str, object] = {"address": address, "port": group[0]}
            if len(group) > 1:
                facts["ports"] = group[:MOST_LISTED]
                facts["ports_in_all"] = len(group)
            some = f"port {group[0]}" if len(group) == 1 else f"{len(group)} ports, {group[0]} to {group[-1]}"
            findings.append(
                Finding(
                    "connection-refused",
                    "warning",
                    f"{address} refused connections to {some}",
                    "start the server, or publish the port it really listens on",
                    facts,
                    evidence[:10],
                )
            )
    return findings
