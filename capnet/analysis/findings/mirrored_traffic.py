"""mirrored-traffic: a switch copies other traffic to this capture in ERSPAN.

Looks at: GRE whose protocol type is that of ERSPAN, types I, II and III (draft-foschiano-erspan).
Says: from which switch to which analyzer, in which session, how many frames. It is one way by design.
Wrong when: never; a frame of another protocol has another type in its GRE header.
Fix: none is needed. What is inside passed elsewhere, at times and in an order that the switch decided.
Verify: `show monitor session` on the switch.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.payload import Mirror
from capnet.analysis.core.results import Finding
from capnet.analysis.core.wording import Text, finding_name

NAME = finding_name(__name__)
LEVELS = ("info",)
SCENARIO = None  # no switch of the lab mirrors
WITNESS = "tests/made/gre.pcap"  # GRE with Ethernet inside that is no copy
EXPLAINS = ()
READS = ("mirrors",)

PAGE_ZH = """交换机以 ERSPAN 把其他流量复制到这次抓包。

检查：协议类型为 ERSPAN 的 GRE，类型 I、II 和 III（draft-foschiano-erspan）。
结论：从哪个交换机到哪个分析器，在哪个会话中，多少帧。它本来就是单向的。
误判：不会；其他协议的帧在 GRE 头中有另一个类型。
处理：无需处理。里面的内容在别处经过，时间和顺序由交换机决定。
验证：在交换机上 `show monitor session`。
"""

SAYS = Text(
    en="{frames:frame} from {switch} to {analyzer}{session}: copies of other traffic (ERSPAN)",
    zh="从 {switch} 到 {analyzer} 的 {frames} 帧{session}：其他流量的副本（ERSPAN）",
)
SESSION = Text(en=", session {session}", zh="，会话 {session}")


def diagnose(context: Context) -> list[Finding]:
    sessions: dict[tuple[str, str, int], list[Mirror]] = {}
    for mirror in context.mirrors:
        sessions.setdefault((mirror.switch, mirror.analyzer, mirror.session), []).append(mirror)
    return [
        Finding(
            NAME,
            "info",
            SAYS.fill(
                frames=max(mirror.frames for mirror in at_points),
                switch=switch,
                analyzer=analyzer,
                session=SESSION.fill(session=session) if session >= 0 else "",
            ),
            None,
            {"switch": switch, "analyzer": analyzer, "session": session if session >= 0 else None},
            sorted(context.evidence(mirror.point, mirror.first_frame) for mirror in at_points),
        )
        for (switch, analyzer, session), at_points in sorted(sessions.items())
    ]
