"""no-return-route: a container's packets arrived at another host, which has no way back to the container's address.

Looks at: questions (TCP SYN, ICMP echo) that arrived with a source address of another network, not by a bridge (that is
`not-masqueraded`), and were not answered by any packet at any point.
Says: which addresses need a route, at which point they arrived.
Wrong when: a filter drops the question or the answer.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, host_of, source
from capnet.analysis.core.results import Finding
from capnet.analysis.core.schema import FLOW_POINT
from capnet.analysis.core.wording import plural
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.findings.not_masqueraded import left_untranslated
from capnet.analysis.findings.unanswered import unanswered


def diagnose(context: Context) -> list[Finding]:
    found = flow_links(context)
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
