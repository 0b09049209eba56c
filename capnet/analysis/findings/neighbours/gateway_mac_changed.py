"""gateway-mac-changed: a gateway has a new MAC, and hosts go on sending to the old one.

Looks at: an address that was at one MAC and then at another one, by ARP or Neighbor Discovery, and packets to other
networks that went to the old MAC meanwhile, in vain (`facts.layer2.mac_changes`). Not: a new MAC that announces itself
(failover), two MACs in turn (`duplicate-ip`).
Says: which gateway, from which MAC to which, who went on sending to the old one, how long, how many packets.
Wrong when: the gateway was replaced by another machine, which did not announce itself.
Fix: give the bridge a MAC of its own. A bridge without one takes the lowest MAC of its ports, and another one when that
port goes; neighbours find out when their entry is probed.
Verify: `ip -d link show BRIDGE`; `ip monitor neigh` on a host while a container is removed.
"""

from __future__ import annotations

from itertools import groupby

from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import source
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.facts.layer2.mac_changes import MacChange, mac_changes
from capnet.wire.addresses import address_value, mac_text

NAME = finding_name(__name__)
LEVELS = ("warning",)
SCENARIO = "fault gateway-mac-changed"
WITNESS = "pcaps/bridge-clash.pcapng"  # two hosts with the same container addresses
EXPLAINS = (
    "connection-cut", "address-moved", "connection-unanswered", "duplicate-ip", "handshake-unfinished", "packet-loss",
    "stops-between",
)  # fmt: skip

PAGE_ZH = """网关换了 MAC，而主机继续发往旧的 MAC。

检查：用 ARP 或邻居发现先后属于两个 MAC 的地址，以及其间发往旧 MAC、去其他网络而无应答的包
（`facts.layer2.mac_changes`）。不包括：新 MAC 自己通告（故障切换）、两个 MAC 轮流出现（`duplicate-ip`）。
结论：哪个网关，从哪个 MAC 到哪个 MAC，谁继续发往旧的，多久，多少个包。
误判：网关被换成另一台机器，而它没有通告。
处理：给网桥一个自己的 MAC。没有自己 MAC 的网桥取端口中最小的 MAC，该端口消失时换成另一个；邻居要等到表项被探测才知
道。
验证：`ip -d link show BRIDGE`；移除容器时在某台主机上 `ip monitor neigh`。
"""

SAYS = Text(
    en="the gateway {gateway} changed its MAC from {old} to {new}: {hosts} went on sending to the old one for "
    "{seconds} s, {packets:packet} without an answer",
    zh="网关 {gateway} 的 MAC 从 {old} 变为 {new}：{hosts} 在 {seconds} 秒内仍发往旧的 MAC，{packets} 个包无应答",
)
FIX = Text(
    en="give the gateway a MAC that stays (`ip link set BRIDGE address {new}`): a bridge without one takes the lowest "
    "MAC of its ports, and changes it when that port goes; until then `ip neigh flush to {gateway}` on the hosts",
    zh="给网关一个固定的 MAC（`ip link set BRIDGE address {new}`）：没有自己 MAC 的网桥取端口中最小的 MAC，该端口消"
    "失时就会变化；在此之前，在各主机上执行 `ip neigh flush to {gateway}`",
)

MIN_PACKETS = 2  # a single one may be lost by chance
MIN_OUTAGE_NS = 1_000_000_000  # shorter ones go by without notice: a host asks again within a second


def diagnose(context: Context) -> list[Finding]:
    changes = [
        change
        for change in mac_changes(context)
        if change.packets >= MIN_PACKETS and change.until - change.since >= MIN_OUTAGE_NS
    ]
    key = lambda change: (address_value(change.address), change.old, change.new)  # noqa: E731
    return [_finding(context, list(at_points)) for _, at_points in groupby(sorted(changes, key=key), key=key)]


def _finding(context: Context, changes: list[MacChange]) -> Finding:
    """One change, at the points that show it."""
    worst = max(changes, key=lambda change: change.packets)
    hosts = sorted({source(context.flows[row]) for row in worst.rows}, key=address_value)
    seconds = round((worst.until - worst.since) / 1e9, 1)
    frames = {context.evidence(change.point, frame) for change in changes for frame in change.frames}
    frames |= set(context.first_frames(worst.rows))
    old, new = mac_text(worst.old), mac_text(worst.new)
    return Finding(
        NAME,
        "warning",
        SAYS.fill(
            gateway=worst.address, old=old, new=new, hosts=several(hosts), seconds=f"{seconds:g}",
            packets=worst.packets,
        ),
        FIX.fill(gateway=worst.address, new=new),
        {
            "gateway": worst.address, "old": old, "new": new, "hosts": hosts[:MAX_EVIDENCE], "seconds": seconds,
            "packets": worst.packets, "points": [context.points[change.point].name for change in changes],
        },
        sorted(frames),
    )  # fmt: skip
