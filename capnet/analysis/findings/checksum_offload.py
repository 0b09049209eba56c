"""checksum-offload: TCP and UDP checksums are not filled in yet.

Looks at: packets whose checksum field holds the sum of the pseudo-header alone (RFC 9293 section 3.1). Linux leaves it
there for the network card to complete; on veth pairs and bridges no card does.
Says: how many of the packets that were examined, and at how many points. Wireshark may call them bad; nothing is
damaged.
Wrong when: a filled checksum equals that sum by chance, once in 65,535 packets.
Fix: nothing on the network; turn off checksum validation in Wireshark, or the offload while capturing.
Verify: `ethtool -k IFACE | grep checksum`.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.wording import Text, finding_name

NAME = finding_name(__name__)
LEVELS = ("info",)
SCENARIO = "bridge"
WITNESS = "tests/made/tcp.pcap"  # every checksum is filled in
EXPLAINS = ()

PAGE_ZH = """TCP 和 UDP 校验和尚未填写。

检查：校验和字段里只有伪首部之和的包（RFC 9293 3.1 节）。Linux 把它留给网卡完成；在 veth 对和网桥上没有网卡来做。
结论：检查的包中有多少个，在多少个抓包点上。Wireshark 可能说它们是坏的；实际没有损坏。
误判：填好的校验和碰巧等于该和，65,535 个包中有一个。
处理：网络上无需处理；在 Wireshark 中关闭校验和检查，或在抓包时关闭卸载。
验证：`ethtool -k IFACE | grep checksum`。
"""

SAYS = Text(
    en="{unfilled} of {examined:TCP and UDP packet} at {points:point} have checksums that are not yet filled in "
    "(checksum offload): normal on veth and bridge, not corruption",
    zh="{points} 个抓包点上的 {examined} 个 TCP 和 UDP 包中，有 {unfilled} 个的校验和尚未填写（校验和卸载）：在 "
    "veth 和网桥上属正常，不是损坏",
)
FIX = Text(
    en="in Wireshark turn checksum validation off (-o tcp.check_checksum:false "
    "-o udp.check_checksum:false), or capture after `ethtool -K IFACE tx off`",
    zh="在 Wireshark 中关闭校验和检查（-o tcp.check_checksum:false -o udp.check_checksum:false），或先执行 `ethtool "
    "-K IFACE tx off` 再抓包",
)

MAX_CHANCE_SHARE = 0.01  # of a point's packets: no more may hold that sum by chance


def diagnose(context: Context) -> list[Finding]:
    unfilled = {
        point: checksums
        for point, checksums in sorted(context.checksums.items())
        if checksums.unfilled > max(MAX_CHANCE_SHARE * checksums.seen, 1)
    }
    if not unfilled:
        return []
    total = sum(checksums.unfilled for checksums in unfilled.values())
    examined = sum(checksums.seen for checksums in context.checksums.values())
    return [
        Finding(
            NAME,
            "info",
            SAYS.fill(unfilled=total, examined=examined, points=len(unfilled)),
            FIX.fill(),
            {
                "unfilled": total,
                "looked_at": examined,
                "points": {context.points[point].name: checksums.unfilled for point, checksums in unfilled.items()},
            },
            [context.evidence(point, frame) for point, checksums in unfilled.items() for frame in checksums.frames[:2]][
                :MAX_EVIDENCE
            ],
        )
    ]
