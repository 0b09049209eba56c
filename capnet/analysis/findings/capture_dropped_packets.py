"""capture-dropped-packets: the capture program lost packets.

Looks at: the drop counts of the interface statistics blocks (pcapng ISB: isb_ifdrop, isb_osdrop).
Says: at which points, and how many packets. Absence at these points proves nothing.
Wrong when: the capture program counted packets that its filter did not want.
Fix: capture with a larger buffer, with a snap length, or with a filter; write to a local disk.
Verify: `dumpcap -B 64` reports no dropped packets at its end.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import Finding
from capnet.analysis.core.wording import Text, finding_name, several

NAME = finding_name(__name__)
LEVELS = ("warning",)
SCENARIO = None  # no scenario sends enough to fill a capture buffer
WITNESS = "pcaps/bridge.pcapng"  # drop counts are there, and zero
EXPLAINS = ()

SAYS = Text(en="the capture program lost {packets:packet} at {points}", zh="抓包程序在 {points} 丢了 {packets} 个包")
FIX = Text(
    en="capture with a larger buffer (dumpcap -B) or a filter", zh="用更大的缓冲区（dumpcap -B）或抓包过滤器重新抓包"
)


def diagnose(context: Context) -> list[Finding]:
    drops = {point.name: point.dropped for point in context.points if point.dropped}
    if not drops:
        return []
    says = SAYS.fill(packets=sum(drops.values()), points=several(sorted(drops)))
    return [Finding(NAME, "warning", says, FIX.fill(), dict(drops))]
