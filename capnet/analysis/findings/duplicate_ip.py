"""duplicate-ip: several stations claim one IPv4 address.

Looks at: ARP messages with the same sender address and different sender MACs, at one point and in one VNI.
Says: which MACs claim which address. An error while they claim it in turn; a warning where one began after the other
had ended, as when a container is made anew with the same address.
Wrong when: two gateways share an address on purpose (VRRP), a bridge answers for others (proxy ARP), or the point
shows several VLANs at once.
Fix: give one of the stations another address; keep Docker away from addresses in use with `--ip-range` or
`--aux-address`.
Verify: `arping -D -I IFACE ADDRESS` reports no reply from a second MAC.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.facts.layer2.arp import rival_claims
from capnet.analysis.facts.layer2.model import Claims
from capnet.analysis.facts.models.container_signs import shows_containers
from capnet.wire.addresses import mac_text

NAME = finding_name(__name__)
LEVELS = ("error", "warning")
SCENARIO = "fault duplicate-ip"
WITNESS = "pcaps/ipvlan-l2.pcapng"  # one MAC for several addresses, the other way round
EXPLAINS = ()

AT_ONCE = Text(en="{address} is claimed by {macs}", zh="")
AT_ONCE_FIX = Text(
    en="give one of them another address: reserve those outside of Docker with --ip-range or --aux-address", zh=""
)
AT_ONCE_ELSEWHERE_FIX = Text(en="give one of them another address", zh="")
MOVED = Text(en="{address} is claimed by {macs}, one after the other", zh="")
MOVED_FIX = Text(en="check that {address} was given away anew and is not used twice", zh="")


def diagnose(context: Context) -> list[Finding]:
    rivals: dict[tuple[str, tuple[int, ...]], list[Claims]] = {}
    for claims in rival_claims(context):
        rivals.setdefault((claims.ip, tuple(sorted(claims.by))), []).append(claims)
    at_once_fix = AT_ONCE_FIX if shows_containers(context) else AT_ONCE_ELSEWHERE_FIX
    findings = []
    for (address, macs), at_points in sorted(rivals.items()):
        at_once = any(claims.at_once for claims in at_points)
        says, fix = (AT_ONCE, at_once_fix) if at_once else (MOVED, MOVED_FIX)
        mac_texts = [mac_text(mac) for mac in macs]
        evidence = [context.evidence(claims.point, frame) for claims in at_points for _, _, frame in claims.by.values()]
        findings.append(
            Finding(
                NAME,
                "error" if at_once else "warning",
                says.fill(address=address, macs=several(mac_texts)),
                fix.fill(address=address),
                {"address": address, "macs": mac_texts},
                sorted(evidence)[:MAX_EVIDENCE],
            )
        )
    return findings
