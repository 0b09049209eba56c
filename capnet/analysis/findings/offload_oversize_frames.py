"""offload-oversize-frames: captured packets are larger than any MTU on their way.

Looks at: the largest IP packet of each flow, at points other than loopback.
Says: how large, and at how many points. Segmentation offload (GSO, GRO) leaves the cutting to a later point; the
network is no jumbo network.
Wrong when: the MTU really is above 9,216 bytes.
Fix: nothing; turn offload off while capturing to see packets as the wire carries them.
Verify: `ethtool -k IFACE | grep -E 'segmentation|receive-offload'`, `ip link show IFACE` for the MTU.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.schema import FLOW_LARGEST_IP, FLOW_POINT
from capnet.analysis.core.wording import Text, finding_name

NAME = finding_name(__name__)
LEVELS = ("info",)
SCENARIO = "overlay"
WITNESS = "pcaps/bridge.pcapng"  # offload segments of 2,948 bytes, which a jumbo frame would carry too
EXPLAINS = ()

PAGE_ZH = """抓到的包大于途中的任何 MTU。

检查：除 loopback 外各抓包点上每条流最大的 IP 包。
结论：有多大，在多少个抓包点上。分段卸载（GSO、GRO）把切分留给后面；这不是巨帧网络。
误判：MTU 确实大于 9,216 字节。
处理：无需处理；抓包时关闭卸载，可看到线路上的包。
验证：`ethtool -k IFACE | grep -E 'segmentation|receive-offload'`，`ip link show IFACE` 显示 MTU。
"""

SAYS = Text(
    en="IP packets of up to {largest} bytes at {points:point}: segmentation offload, not the network's MTU",
    zh="{points} 个抓包点上有大至 {largest} 字节的 IP 包：这是分段卸载，不是网络的 MTU",
)
FIX = Text(
    en="`ethtool -K IFACE gso off tso off gro off` shows packets as the wire has them",
    zh="`ethtool -K IFACE gso off tso off gro off` 使抓到的包与线路上的一致",
)

MAX_MTU = 9216  # bytes: what jumbo frames reach on usual cards


def diagnose(context: Context) -> list[Finding]:
    flows = context.flows
    rows = [
        row
        for row in (flows[:, FLOW_LARGEST_IP] > MAX_MTU).nonzero()[0].tolist()
        if context.points[flows[row, FLOW_POINT]].role != "loopback"
    ]
    if not rows:
        return []
    largest = int(flows[rows, FLOW_LARGEST_IP].max())
    points = sorted({context.points[flows[row, FLOW_POINT]].name for row in rows})
    evidence = sorted(context.first_frames(rows))
    return [
        Finding(
            NAME,
            "info",
            SAYS.fill(largest=largest, points=len(points)),
            FIX.fill(),
            {"largest": largest, "points": points},
            evidence[:MAX_EVIDENCE],
        )
    ]
