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

PAGE_ZH = """抓包程序丢了包。

检查：接口统计块中的丢包数（pcapng ISB：isb_ifdrop、isb_osdrop）。
结论：哪些抓包点，多少个包。在这些抓包点上没有看到不能说明任何问题。
误判：抓包程序把过滤器不要的包也计入了。
处理：用更大的缓冲区、snap length 或过滤器抓包；写到本地磁盘。
验证：`dumpcap -B 64` 结束时报告没有丢包。
"""

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
