"""not-masqueraded: a container's packets left the host with the container's own address, and nobody answered.

Looks at: questions (TCP SYN, ICMP echo) that were routed from a bridge to the host's interface without a translation.
Says: which addresses, by which interface. The far side has no way back to them, or owns such addresses itself.
Wrong when: the network is meant to be routed, and the far side just does not answer.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import source
from capnet.analysis.core.results import Finding
from capnet.analysis.core.schema import FLOW_POINT
from capnet.analysis.core.wording import plural
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.findings.unanswered import unanswered


def left_untranslated(context: Context, rows: list[int]) -> int | None:
    """Position of the host's interface among the hops, when the hop before it is inside the host's bridge."""
    roles = [context.points[context.flows[row, FLOW_POINT]].role for row in rows]
    for at in range(1, len(roles)):
        if roles[at] in ("parent", "underlay") and roles[at - 1] in ("bridge", "veth", "container"):
            return at
    return None


def diagnose(context: Context) -> list[Finding]:
    found = flow_links(context)
    gone: dict[str, list[int]] = {}
    for rows, _ in unanswered(context):
        at = left_untranslated(context, rows)
        if at is not None and found.ttl_delta[found.before[rows[at]]] < 0:
            gone.setdefault(context.points[context.flows[rows[at], FLOW_POINT]].name, []).append(rows[at])
    findings = []
    for point, rows in sorted(gone.items()):
        addresses = sorted({source(context.flows[row]) for row in rows})
        evidence = [context.flow_evidence(row, int(found.frames[found.before[row], 1])) for row in rows]
        findings.append(
            Finding(
                "not-masqueraded",
                "error",
                f"{plural(len(rows), 'connection')} of {', '.join(addresses[:3])} left by {point} with the container's "
                "own address, and no answer came",
                "restore the masquerade rule: `iptables -t nat -S POSTROUTING` should have one for the bridge's subnet "
                "(restarting Docker writes it again); mind `enable_ip_masquerade`",
                {"point": point, "addresses": addresses[:20], "connections": len(rows)},
                sorted(evidence)[:10],
            )
        )
    return findings
