"""arp-unanswered: someone asked for an address and nobody answered.

Looks at: ARP requests (not probes and announcements) without a reply to the same question at any point, that were
repeated within seconds. One alone proves nothing: on a switched network the answers to others are not seen, but
whoever gets no answer asks again.
Says: who asked for whom, how often. A host that asks for its own macvlan child is `macvlan-host-isolation` instead.
Wrong when: the reply went another way (proxy ARP on another port), or the capture began or ended between the two.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import Evidence, Finding
from capnet.analysis.core.schema import (
    ARP_FIRST,
    ARP_FIRST_FRAME,
    ARP_LAST,
    ARP_OPERATION,
    ARP_PACKETS,
    ARP_POINT,
    ARP_SENDER_LO,
    ARP_TARGET_LO,
    ARP_VIA_VNI,
)
from capnet.analysis.core.wording import plural
from capnet.analysis.facts.layer2.model import RETRY_NS
from capnet.analysis.findings.macvlan_host_isolation import isolated
from capnet.wire.addresses import address_text
from capnet.wire.numbers import ARP_REPLY, ARP_REQUEST


def diagnose(context: Context) -> list[Finding]:
    arps = context.arps.tolist()
    answered = {
        (row[ARP_POINT], row[ARP_VIA_VNI], row[ARP_TARGET_LO], row[ARP_SENDER_LO])
        for row in arps
        if row[ARP_OPERATION] == ARP_REPLY
    }
    asked: dict[tuple[int, int], list[Evidence]] = {}
    often: dict[tuple[int, int], int] = {}
    repeated: dict[tuple[int, int], bool] = {}
    for row in arps:
        sender, target = row[ARP_SENDER_LO], row[ARP_TARGET_LO]
        probe = not sender & 0xFFFFFFFF or sender == target  # RFC 5227
        key = (row[ARP_POINT], row[ARP_VIA_VNI], sender, target)
        if row[ARP_OPERATION] != ARP_REQUEST or probe or key in answered:
            continue
        asked.setdefault((sender, target), []).append(context.evidence(row[ARP_POINT], row[ARP_FIRST_FRAME]))
        gap = (row[ARP_LAST] - row[ARP_FIRST]) // max(row[ARP_PACKETS] - 1, 1)
        if row[ARP_PACKETS] > 1 and gap <= RETRY_NS:
            repeated[sender, target] = True
        often[sender, target] = max(often.get((sender, target), 0), row[ARP_PACKETS])
    # A question that was answered at another point was only not seen to be answered here.
    elsewhere = {(sender, target) for _, _, sender, target in answered}
    by_design = isolated(context)
    findings = []
    for (sender, target), evidence in sorted(asked.items()):
        if (sender, target) in elsewhere:
            continue
        who, whom = address_text(0, sender), address_text(0, target)
        if (who, whom) in by_design or not repeated.get((sender, target)):
            continue
        times = plural(often[sender, target], "time")
        findings.append(
            Finding(
                "arp-unanswered",
                "warning",
                f"{who} asked for {whom} {times}, nobody answered",
                f"check that {whom} exists, on this network, and is up",
                {"asks": who, "for": whom, "requests": often[sender, target]},
                sorted(evidence)[:10],
            )
        )
    return findings
