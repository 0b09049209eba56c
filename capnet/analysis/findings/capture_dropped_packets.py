"""capture-dropped-packets: the capture itself lost packets.

Looks at: the drop counts of the interface statistics blocks.
Says: at which points, how many; what is missing there proves nothing.
Wrong when: the capture program counted packets that its filter did not want.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import Finding
from capnet.analysis.core.wording import plural


def diagnose(context: Context) -> list[Finding]:
    lost = {point.name: point.dropped for point in context.points if point.dropped}
    if not lost:
        return []
    says = f"the capture program lost {plural(sum(lost.values()), 'packet')} at {', '.join(sorted(lost))}"
    return [
        Finding(
            "capture-dropped-packets",
            "warning",
            says,
            "capture with a larger buffer (dumpcap -B) or a filter",
            dict(lost),
        )
    ]
