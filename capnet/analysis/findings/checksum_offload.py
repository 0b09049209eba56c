"""checksum-offload: TCP and UDP checksums that are not filled in yet.

Looks at: packets whose checksum field holds the sum of the pseudo-header alone, which is what Linux leaves there for
the network card to complete. On virtual links nobody ever does, not even at the receiver.
Says: how many of the packets looked at, and at which points. They look "bad" to Wireshark; nothing is damaged.
Wrong when: hardly ever; a filled checksum equals that sum once in 65535 packets.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import Finding
from capnet.analysis.core.wording import plural

RARE = 0.01  # share of packets below which it may be chance


def diagnose(context: Context) -> list[Finding]:
    seen = context.checksums
    found = {point: each for point, each in seen.items() if each.unfilled > max(RARE * each.seen, 1)}
    if not found:
        return []
    unfilled = sum(each.unfilled for each in found.values())
    looked = sum(each.seen for each in seen.values())
    names = {context.points[point].name: each.unfilled for point, each in sorted(found.items())}
    return [
        Finding(
            "checksum-offload",
            "info",
            f"{unfilled} of {plural(looked, 'TCP and UDP packet')} at {plural(len(found), 'point')} carry checksums "
            "that are left to a network card: not damaged, as is usual on virtual links",
            "nothing to fix; in Wireshark turn checksum validation off (-o tcp.check_checksum:false "
            "-o udp.check_checksum:false), or capture after `ethtool -K IFACE tx off`",
            {"unfilled": unfilled, "looked_at": looked, "points": names},
            [context.evidence(point, frame) for point, each in sorted(found.items()) for frame in each.frames[:2]][:10],
        )
    ]
