"""sequence-gap: octets of a TCP connection are missing at the first point that saw it.

Looks at: the sequence numbers of each flow where it was seen first, when every packet was compared. A packet that was
dropped before the tap (a queue, a policer) is in no capture, not even at its sender's own card: it is only a gap.
Says: at which point, in how many flows, how many octets came late, after later ones, and how many never.
Wrong when: segments overtook each other by more than 3 ms, or another way that was not captured carried them.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import Finding
from capnet.analysis.core.schema import FLOW_POINT
from capnet.analysis.core.wording import plural
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.correlate.tcp_gaps import SequenceGaps, sequence_gaps


def diagnose(context: Context) -> list[Finding]:
    by_point: dict[int, list[SequenceGaps]] = {}
    for each in sequence_gaps(context, flow_links(context).before < 0):
        if each.late or each.never:
            by_point.setdefault(int(context.flows[each.flow, FLOW_POINT]), []).append(each)
    findings = []
    for point, found in sorted(by_point.items()):
        late, never = sum(each.late for each in found), sum(each.never for each in found)
        name, dropped = context.points[point].name, context.points[point].dropped
        says = [f"{plural(late, 'octet')} came after later ones"] if late else []
        says += [f"{plural(never, 'octet')} did not come"] if never else []
        findings.append(
            Finding(
                "sequence-gap",
                "warning" if late else "info",
                f"{plural(len(found), 'TCP flow')} had gaps at {name}, where seen first: {', '.join(says)}",
                "look before this point: queues (`tc -s qdisc`), policers and filters drop packets that no capture "
                "shows" + ("; the capture there dropped packets itself" if dropped else ""),
                {"point": name, "flows": len(found), "late": late, "never": never, "captures_dropped": dropped},
                [context.flow_evidence(each.flow, each.frame) for each in found][:10],
            )
        )
    return findings
