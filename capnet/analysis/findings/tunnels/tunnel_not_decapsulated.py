"""tunnel-not-decapsulated: packets of a tunnel arrive at a host, and none of them comes out of the tunnel there.

Looks at: packets in a tunnel at a host's interface to a station that sends into this tunnel at another point of the
host, or to the MAC of a tunnel device there, where nothing at all comes out of the tunnel while it is captured.
Says: how many packets of which tunnel, at which interface they arrive, and at which point none comes out. A warning if
all of them came before the first frame of the point inside, or after its last one.
Wrong when: the inside was captured with a filter, or only before or behind the time of the packets.
Fix: open the tunnel's UDP port or protocol in the INPUT chain of the host; check that the tunnel interface is up and
has this id.
Verify: `iptables -vnL INPUT`, `iptables-legacy -vnL INPUT`, `iptables -t raw -vnL PREROUTING` and `nft list ruleset`
count the drops; `ip -d -s link show type vxlan` shows id, port and errors of the tunnel interface.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.facts.overlay.arrivals import TunnelArrivals, undelivered
from capnet.analysis.facts.overlay.insides import Inside
from capnet.wire.protocols import KIND_OF_NUMBER

NAME = finding_name(__name__)
LEVELS = ("error", "warning")
SCENARIO = "fault tunnel-not-decapsulated"
WITNESS = "pcaps/overlay.pcapng"  # VXLAN that comes out at both hosts
EXPLAINS = (
    "stops-between", "packet-loss", "tunnel-one-way", "retransmissions", "arp-unanswered", "connection-unanswered",
    "handshake-unfinished",
)  # fmt: skip

PAGE_ZH = """隧道的包到达主机，没有一个在那里解封装出来。

检查：主机接口上、发往某站点的隧道包，该站点在主机的另一个抓包点上向这个隧道发送（或者是那里隧道设备的 MAC），而那里
抓包期间没有任何包从隧道出来。
结论：哪个隧道的多少个包，到达哪个接口，在哪个抓包点一个也没有出来。全部在内侧抓包点的第一帧之前或最后一帧之后到达时
为警告。
误判：内侧抓包用了过滤器，或只在这些包之前或之后抓。
处理：在主机的 INPUT 链中放行隧道的 UDP 端口或协议；检查隧道接口是否已启动，id 是否一致。
验证：`iptables -vnL INPUT`、`iptables-legacy -vnL INPUT`、`iptables -t raw -vnL PREROUTING` 和 `nft list ruleset`
显示丢弃数；`ip -d -s link show type vxlan` 显示隧道接口的 id、端口和错误。
"""

SAYS = Text(
    en="{tunnel}: {packets:packet} from {sources} to {destinations} reach {point}, and none comes out of the tunnel at "
    "{next}, {where}",
    zh="{tunnel}：从 {sources} 到 {destinations} 的 {packets} 个包到达 {point}，没有一个在 {next} 解封装出来，"
    "而{where}",
)
WHERE_SENT = Text(en="where {destinations} sends into it", zh=" {destinations} 从那里向隧道发送")
DEVICE = Text(en="the device whose MAC the frames inside are for", zh="隧道内的帧正是发给该设备的 MAC")
FIX = Text(
    en="look for a rule in the INPUT chain of {host} that drops {kind}: `iptables -vnL INPUT; iptables-legacy -vnL "
    "INPUT; iptables -t raw -vnL PREROUTING; nft list ruleset`. If none counts, check that the tunnel interface is up "
    "and has this id and port (`ip -d -s link show type {device}`)",
    zh="在 {host} 的 INPUT 链中查找丢弃 {kind} 的规则：`iptables -vnL INPUT; iptables-legacy -vnL INPUT; iptables -t "
    "raw -vnL PREROUTING; nft list ruleset`。如果都没有计数，检查隧道接口是否已启动，id 和端口是否一致（`ip -d "
    "-s link show type {device}`）",
)

MIN_PACKETS = 2  # a single one may be the last of the capture


def diagnose(context: Context) -> list[Finding]:
    return [
        _finding(context, inside, arrivals)
        for inside, arrivals in undelivered(context).items()
        if arrivals.packets.sum() >= MIN_PACKETS
    ]


def _finding(context: Context, inside: Inside, arrivals: TunnelArrivals) -> Finding:
    sources, destinations = arrivals.source_addresses, arrivals.destination_addresses
    kind, vni = KIND_OF_NUMBER[inside.via], inside.vni if inside.vni >= 0 else None
    point, next_point = context.points[inside.outer].name, context.points[inside.inner].name
    packets = int(arrivals.packets.sum())
    return Finding(
        NAME,
        "error" if arrivals.packets[arrivals.is_heard].sum() >= MIN_PACKETS else "warning",
        SAYS.fill(
            tunnel=kind.titled(vni),
            packets=packets,
            sources=several(sources),
            destinations=several(destinations),
            point=point,
            next=next_point,
            where=(DEVICE if arrivals.is_for_device.all() else WHERE_SENT).fill(destinations=several(destinations)),
        ),
        FIX.fill(host=context.points[inside.outer].host or point, kind=kind.title, device=kind.name),
        {
            "point": point,
            "next": next_point,
            "kind": kind.name,
            "vni": vni,
            "sources": sources[:MAX_EVIDENCE],
            "destinations": destinations[:MAX_EVIDENCE],
            "packets": packets,
        },
        arrivals.evidence(context, inside),
    )
