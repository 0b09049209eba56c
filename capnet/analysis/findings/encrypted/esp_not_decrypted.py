"""esp-not-decrypted: ESP of an encrypted overlay network reaches a host, which cannot open it.

Looks at: ESP to a host's own interface while its overlay networks with Docker's `encrypted` option are captured inside,
and no frame of another host comes out there (`facts.overlay.encrypted.sealed_packets`).
Says: how many packets of whom, and where nothing comes out. Which counter of the kernel rose (/proc/net/xfrm_stat): it
has no key for these packets, or another one than their sender. A warning without such a counter, or if a point inside
may not have listened all the time. Nothing where the counters were recorded and none rose: then it was opened.
Wrong when: without counters, the ESP belongs to another VPN between the same hosts, and the overlay has no traffic.
Fix: let both hosts have the same keys: Docker's daemons agree on them by the swarm's gossip, and renew them every 12
hours.
Verify: `ip xfrm state` on both hosts lists the same SPIs and keys; `/proc/net/xfrm_stat` counts what cannot be opened.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.facts.overlay.encrypted.sealed_packets import NO_STATE, SealedPackets, sealed_packets

NAME = finding_name(__name__)
LEVELS = ("error", "warning")
SCENARIO = None  # keys are Docker's
WITNESS = "pcaps/overlay-encrypted.pcapng"  # ESP that comes out at both hosts
EXPLAINS = ("tunnel-one-way", "arp-unanswered", "connection-unanswered", "echo-unanswered", "encrypted-overlay")
IS_OF_TUNNEL = True

PAGE_ZH = """加密 overlay 网络的 ESP 到达一台主机，而它打不开。

检查：发到主机自己接口的 ESP，同时抓取了该主机上带 Docker `encrypted` 选项的 overlay 网络内部，而那里没有出来任何其他
主机的帧（`facts.overlay.encrypted.sealed_packets`）。
结论：谁的多少个包，在哪里什么也没有出来。内核的哪个计数器增加了（/proc/net/xfrm_stat）：它没有这些包的密钥，或密钥与
发送方的不同。没有这样的计数器，或内部的抓包点可能没有一直在抓，为警告。记录了计数器而没有增加时不报告：那些包已被打开。
误判：ESP 属于这两台主机之间的另一个 VPN，而 overlay 网络没有流量。
处理：让两台主机有相同的密钥：Docker 守护进程通过 swarm 的 gossip 协商密钥，每 12 小时更换一次。
验证：两台主机上 `ip xfrm state` 应列出相同的 SPI 和密钥；`/proc/net/xfrm_stat` 统计打不开的包。
"""

SAYS = Text(
    en="{packets:ESP packet} from {senders} to {host} reach {point}, and nothing comes out at {inner}, inside the "
    "encrypted overlay{why}",
    zh="{senders} 发给 {host} 的 {packets} 个 ESP 包到达 {point}，而在加密 overlay 内部的 {inner} 什么也没有出来{why}",
)
NO_KEY = Text(
    en=": {host} has no key for them (XfrmInNoStates +{count})", zh="：{host} 没有它们的密钥（XfrmInNoStates +{count}）"
)
OTHER_KEY = Text(
    en=": {host} cannot open them with the key that it has ({counter} +{count})",
    zh="：{host} 用它的密钥打不开它们（{counter} +{count}）",
)
FIX = Text(
    en="compare `ip xfrm state` on both hosts: SPI and key of each direction must be the same. Docker passes keys on "
    "by the swarm's gossip (TCP and UDP port 7946): if that is open, restart dockerd on {host}, or let it leave the "
    "swarm and join again",
    zh="比较两台主机上的 `ip xfrm state`：每个方向的 SPI 和密钥必须相同。Docker 通过 swarm 的 gossip（TCP 和 UDP 端口 "
    "7946）传递密钥：如果该端口开放，重启 {host} 上的 dockerd，或让它离开 swarm 再加入",
)

MIN_PACKETS = 2  # a single one may be the last of the capture


def diagnose(context: Context) -> list[Finding]:
    return [_finding(context, of) for of in sealed_packets(context) if of.packets >= MIN_PACKETS]


def _finding(context: Context, sealed: SealedPackets) -> Finding:
    frames = context.first_frames(sealed.rows)
    inner = [context.points[number].name for number in sealed.inner]
    return Finding(
        NAME,
        "error" if sealed.is_heard and sealed.failing else "warning",
        SAYS.fill(
            packets=sealed.packets, senders=several(sealed.senders), host=sealed.host, point=frames[0].point,
            inner=several(inner), why=_why(sealed),
        ),
        FIX.fill(host=sealed.host),
        {
            "host": sealed.host, "point": frames[0].point, "networks": sealed.networks[:MAX_EVIDENCE],
            "sources": sealed.senders[:MAX_EVIDENCE], "packets": sealed.packets, "counters": sealed.counters,
        },
        frames,
    )  # fmt: skip


def _why(sealed: SealedPackets) -> str:
    """What the kernel counted, if it counted that often."""
    if (counter := sealed.failing) is None:
        return ""
    text = NO_KEY if counter in NO_STATE else OTHER_KEY
    return text.fill(host=sealed.host, counter=counter, count=sealed.counters[counter])
