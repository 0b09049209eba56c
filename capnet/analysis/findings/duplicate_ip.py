"""duplicate-ip: two stations claim one address.

Looks at: ARP messages whose sender address is the same and whose sender MAC is not, at one point and in one VNI.
Says: which MACs claim which address. An error while both claim it in turn; only a warning where one began after the
other had ended, as when a container is made anew with the same address.
Wrong when: two gateways share an address on purpose (VRRP), a bridge answers for others (proxy ARP), or the point
shows several VLANs at once.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import Finding
from capnet.analysis.core.wording import several
from capnet.analysis.facts.layer2.model import Claims
from capnet.analysis.facts.layer2.segments import rival_claims
from capnet.wire.addresses import mac_text


def diagnose(context: Context) -> list[Finding]:
    found: dict[tuple[str, tuple[int, ...]], list[Claims]] = {}
    for claims in rival_claims(context):
        found.setdefault((claims.ip, tuple(sorted(claims.by))), []).append(claims)
    findings = []
    for (ip, macs), places in sorted(found.items()):
        at_once = any(claims.at_once for claims in places)
        who = several([mac_text(mac) for mac in macs])
        evidence = [context.evidence(each.point, frame) for each in places for _, _, frame in each.by.values()]
        findings.append(
            Finding(
                "duplicate-ip",
                "error" if at_once else "warning",
                f"{ip} is claimed by {who}" + ("" if at_once else ", one after the other"),
                "give one of them another address: reserve those outside of Docker with --ip-range or --aux-address"
                if at_once
                else f"check that {ip} was given away anew and is not used twice",
                {"address": ip, "macs": [mac_text(mac) for mac in macs]},
                sorted(evidence)[:10],
            )
        )
    return findings
