"""no-return-route: a container's packets arrived at another host, which has no way back to the container's address.

Looks at: questions (TCP SYN, ICMP echo) that arrived with a source address of another network, not by a bridge (that is
`not-masqueraded`), and were not answered by any packet at any point.
Says: which addresses need a route, at which point they arrived.
Wrong when: a filter drops the question or the answer.
"""

from __future__ import annotations

from capnet.analyze.columns import FLOW_POINT
from capnet.analyze.context import Context
from capnet.analyze.facts import Finding
from capnet.analyze.findings.not_masqueraded import left_untranslated
from capnet.analyze.findings.unanswered import unanswered
from capnet.analyze.identity import links
from capnet.analyze.rows import destination, host_of, plural, source


def diagnose(context: Context) -> list[Finding]:
    found = links(context)
    arrived: dict[tuple[str, str], list[int]] = {}
    for rows, link in unanswered(context):
        names = [context.points[context.flows[row, FLOW_POINT]].name for row in rows]
        at = left_untranslated(context, rows)
        if host_of(names[0]) == host_of(names[-1]) or (at is not None and found.ttl_delta[found.before[rows[at]]] < 0):
            continue
        arrived.setdefault((names[-1], destination(context.flows[rows[-1]])), []).append(link)
    findings = []
    for (point, address), into in sorted(arrived.items()):
        sources = sorted({source(context.flows[found.target[link]]) for link in into})
        findings.append(
            Finding(
                "no-return-route",
                "error",
                f"{plural(len(into), 'connection')} of {', '.join(sources[:3])} reached {address} at {point}, and no "
                "answer came back",
                f"give {address} a route to the containers' network, by the host that has them",
                {"point": point, "destination": address, "sources": sources[:20], "connections": len(into)},
                sorted(context.flow_evidence(found.target[link], int(found.frames[link, 1])) for link in into)[:10],
            )
        )
    return findings
