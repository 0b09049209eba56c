"""connection-refused: a SYN was answered with a reset.

Looks at: TCP flows with a SYN whose opposite direction, at the same point, has RST but no SYN-ACK.
Says: who refused whom; nothing listens on that port, or a firewall rejects with tcp-reset.
Wrong when: the SYN-ACK passed outside the capture.
"""

from __future__ import annotations

from capnet.analyze.columns import FLOW_FIRST_FRAME, FLOW_SYNACK_TIME, FLOW_SYNS, FLOW_TCP_FLAGS
from capnet.analyze.context import Context
from capnet.analyze.facts import Evidence, Finding
from capnet.analyze.rows import destination, ports, replies

RST = 4


def diagnose(context: Context) -> list[Finding]:
    flows, answers = context.flows, replies(context)
    refused: dict[tuple[str, int | None], list[Evidence]] = {}
    reset = (flows[answers, FLOW_TCP_FLAGS] & RST != 0) & (flows[answers, FLOW_SYNACK_TIME] < 0)
    for row in ((flows[:, FLOW_SYNS] > 0) & (answers >= 0) & reset).nonzero()[0].tolist():
        back = int(answers[row])
        where = (destination(flows[row]), ports(flows[row])[1])
        refused.setdefault(where, []).append(context.flow_evidence(back, int(flows[back, FLOW_FIRST_FRAME])))
    return [
        Finding(
            "connection-refused",
            "warning",
            f"{address} refused connections to port {port}",
            "start the server, or publish the port it really listens on",
            {"address": address, "port": port},
            sorted(evidence)[:10],
        )
        for (address, port), evidence in sorted(refused.items(), key=lambda item: (item[0][0], item[0][1] or 0))
    ]
