"""arp-unanswered: a host asks for an address by ARP and gets no reply.

Looks at: ARP requests (no probes and announcements, RFC 5227) without a reply to the same question at any point. They
must be repeated within 2 s: on a switched network a single request may have a reply that was not captured, but a host
without a reply asks again.
Says: who asked for which address, and how often. A host that asks for its own macvlan child is
`macvlan-host-isolation` instead.
Wrong when: the reply took a way that was not captured (proxy ARP on another port), or the capture began or ended
between request and reply.
Fix: correct the address, or start the host that has it; a wrong gateway address is the usual cause.
Verify: `arping -I IFACE ADDRESS`, `ip neigh show ADDRESS` on the asking host.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import MAX_EVIDENCE, Evidence, Finding
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
from capnet.analysis.core.wording import Text, finding_name
from capnet.analysis.facts.layer2.arp import MAX_ARP_RETRY_NS
from capnet.analysis.facts.layer2.host_isolation import isolated_children
from capnet.wire.addresses import address_text
from capnet.wire.numbers import ARP_REPLY, ARP_REQUEST

NAME = finding_name(__name__)
LEVELS = ("warning",)
SCENARIO = None  # every address that a scenario asks for exists, but for macvlan's (`macvlan-host-isolation`)
WITNESS = "pcaps/macvlan.pcapng"  # a host asks for its own macvlan child in vain
EXPLAINS = ()

SAYS = Text(en="{asker} asked for {target} {requests:time}, nobody answered", zh="")
FIX = Text(en="check that {target} exists, on this network, and is up", zh="")


def diagnose(context: Context) -> list[Finding]:
    arps = context.arps.tolist()
    answered = {
        (row[ARP_POINT], row[ARP_VIA_VNI], row[ARP_TARGET_LO], row[ARP_SENDER_LO])
        for row in arps
        if row[ARP_OPERATION] == ARP_REPLY
    }
    evidence: dict[tuple[int, int], list[Evidence]] = {}
    requests: dict[tuple[int, int], int] = {}
    repeated: set[tuple[int, int]] = set()
    for row in arps:
        sender, target = row[ARP_SENDER_LO], row[ARP_TARGET_LO]
        is_probe = not sender & 0xFFFFFFFF or sender == target  # RFC 5227
        question = (row[ARP_POINT], row[ARP_VIA_VNI], sender, target)
        if row[ARP_OPERATION] != ARP_REQUEST or is_probe or question in answered:
            continue
        evidence.setdefault((sender, target), []).append(context.evidence(row[ARP_POINT], row[ARP_FIRST_FRAME]))
        gap_ns = (row[ARP_LAST] - row[ARP_FIRST]) // max(row[ARP_PACKETS] - 1, 1)
        if row[ARP_PACKETS] > 1 and gap_ns <= MAX_ARP_RETRY_NS:
            repeated.add((sender, target))
        requests[sender, target] = max(requests.get((sender, target), 0), row[ARP_PACKETS])
    # A reply at any point answers the request at all of them: a point may miss replies that go to others.
    answered_at_a_point = {(sender, target) for _, _, sender, target in answered}
    isolated = {(child.host, child.child) for child in isolated_children(context)}
    findings = []
    for sender, target in sorted(repeated - answered_at_a_point):
        asker, address = address_text(0, sender), address_text(0, target)
        if (asker, address) not in isolated:
            count = requests[sender, target]
            findings.append(
                Finding(
                    NAME,
                    "warning",
                    SAYS.fill(asker=asker, target=address, requests=count),
                    FIX.fill(target=address),
                    {"asks": asker, "for": address, "requests": count},
                    sorted(evidence[sender, target])[:MAX_EVIDENCE],
                )
            )
    return findings
