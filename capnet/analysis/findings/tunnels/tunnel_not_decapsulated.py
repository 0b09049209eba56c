"""tunnel-not-decapsulated: packets of a tunnel arrive at a host, and none of them comes out of the tunnel there.

Looks at: packets in a tunnel at a host's interface to a station that sends into this tunnel at another point of the
host, or to the MAC of a tunnel device there, where nothing at all comes out of the tunnel while it is captured. Without
such packets, repeated questions for a MAC, which go to all: they come out at each tunnel device that they are sent to
(`facts.overlay.unheard_questions`).
Says: how many packets of which tunnel, at which interface they arrive, and at which point none comes out; whether they
came by IPv6 without a UDP checksum. A warning if all of them came before the first frame of the point inside, or after
its last one.
Wrong when: the inside was captured with a filter, or only before or behind the time of the packets.
Fix: open the tunnel's UDP port or protocol in the INPUT chain of the host; check that the tunnel interface is up and
has this id. Receivers drop datagrams over IPv6 without a checksum unless they are told to take them (RFC 6935, 6936).
Verify: `iptables -vnL INPUT`, `iptables-legacy -vnL INPUT`, `iptables -t raw -vnL PREROUTING` and `nft list ruleset`
count the drops; `ip -d -s link show type vxlan` shows id, port and errors of the tunnel interface.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import MAX_EVIDENCE, Evidence, Finding
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.facts.neighbours.exchanges import Exchange
from capnet.analysis.facts.overlay.arrivals import TunnelArrivals, undelivered
from capnet.analysis.facts.overlay.insides import Inside
from capnet.analysis.facts.overlay.missing_checksums import arrives_without_checksum
from capnet.analysis.facts.overlay.unheard_questions import are_heard, unheard_questions
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_value
from capnet.wire.protocols import KIND_OF_NUMBER

NAME = finding_name(__name__)
LEVELS = ("error", "warning")
SCENARIO = "fault tunnel-not-decapsulated"
WITNESS = "pcaps/overlay.pcapng"  # VXLAN that comes out at both hosts
EXPLAINS = (
    "stops-between", "packet-loss", "tunnel-one-way", "retransmissions", "arp-unanswered", "neighbour-unanswered",
    "connection-unanswered", "handshake-unfinished",
)  # fmt: skip

PAGE_ZH = """隧道的包到达主机，没有一个在那里解封装出来。

检查：主机接口上、发往某站点的隧道包，该站点在主机的另一个抓包点上向这个隧道发送（或者是那里隧道设备的 MAC），而那里
抓包期间没有任何包从隧道出来。没有这样的包时，看对 MAC 的重复询问：它们发给所有主机，会在收到它们的每个隧道设备上
出来（`facts.overlay.unheard_questions`）。
结论：哪个隧道的多少个包，到达哪个接口，在哪个抓包点一个也没有出来；它们是否经 IPv6 到来而没有 UDP 校验和。全部在内侧
抓包点的第一帧之前或最后一帧之后到达时为警告。
误判：内侧抓包用了过滤器，或只在这些包之前或之后抓。
处理：在主机的 INPUT 链中放行隧道的 UDP 端口或协议；检查隧道接口是否已启动，id 是否一致。接收方会丢弃没有校验和的 IPv6
数据报，除非设置为接受（RFC 6935、6936）。
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
SAYS_QUESTIONS = Text(
    en="{tunnel}: {packets:question} of {sources} for the MAC of {destinations} reach {point}, and none comes out of "
    "the tunnel at {next}, whose own frames enter it",
    zh="{tunnel}：{sources} 对 {destinations} 的 MAC 的 {packets} 次询问到达 {point}，没有一次在 {next} 解封装出来，而"
    "那里的帧进入该隧道",
)
NO_CHECKSUM = Text(
    en="; they come by IPv6 without a UDP checksum, which a receiver drops by default",
    zh="；它们经 IPv6 到来而没有 UDP 校验和，接收方默认丢弃",
)
FIX_CHECKSUM = Text(
    en="make the tunnel interface anew, on the sender with `noudp6zerocsumtx` or on {host} with `udp6zerocsumrx` (RFC "
    "6935); `nstat -az Udp6InCsumErrors` on {host} counts the drops. If it does not: `ip6tables -vnL INPUT; nft list "
    "ruleset`",
    zh="重新创建隧道接口：在发送方用 `noudp6zerocsumtx`，或在 {host} 上用 `udp6zerocsumrx`（RFC 6935）；{host} 上 "
    "`nstat -az Udp6InCsumErrors` 显示丢弃数。如果没有增加：`ip6tables -vnL INPUT; nft list ruleset`",
)
FIX = Text(
    en="look for a rule in the INPUT chain of {host} that drops {kind}: `iptables -vnL INPUT; iptables-legacy -vnL "
    "INPUT; iptables -t raw -vnL PREROUTING; nft list ruleset`. If none counts, check that the tunnel interface is up "
    "and has this id and port (`ip -d -s link show type {device}`)",
    zh="在 {host} 的 INPUT 链中查找丢弃 {kind} 的规则：`iptables -vnL INPUT; iptables-legacy -vnL INPUT; iptables -t "
    "raw -vnL PREROUTING; nft list ruleset`。如果都没有计数，检查隧道接口是否已启动，id 和端口是否一致（`ip -d "
    "-s link show type {device}`）",
)

MIN_PACKETS = 2  # a single one may be the last of the capture


class _Unheard(NamedTuple):
    """What reached the outer point, and did not come out at the inner one."""

    says: Text
    sources: list[str]
    destinations: list[str]
    packets: int
    is_certain: bool  # the inner point listened
    evidence: list[Evidence]
    where: str = ""


def diagnose(context: Context) -> list[Finding]:
    findings = []
    for inside, arrivals in undelivered(context).items():
        if arrivals.packets.sum() >= MIN_PACKETS:
            findings.append(_finding(context, inside, _arrived_packets(context, inside, arrivals)))
        elif questions := unheard_questions(context, inside):
            findings.append(_finding(context, inside, _questions(context, inside, questions)))
    return findings


def _arrived_packets(context: Context, inside: Inside, arrivals: TunnelArrivals) -> _Unheard:
    destinations = arrivals.destination_addresses
    where = (DEVICE if arrivals.is_for_device.all() else WHERE_SENT).fill(destinations=several(destinations))
    return _Unheard(
        SAYS, arrivals.source_addresses, destinations, int(arrivals.packets.sum()),
        bool(arrivals.packets[arrivals.is_heard].sum() >= MIN_PACKETS), arrivals.evidence(context, inside), where,
    )  # fmt: skip


def _questions(context: Context, inside: Inside, questions: list[Exchange]) -> _Unheard:
    askers, targets = (
        sorted(set(ends), key=address_value) for ends in zip(*((of.asker, of.target) for of in questions), strict=True)
    )
    return _Unheard(
        SAYS_QUESTIONS, askers, targets, sum(of.requests for of in questions),
        are_heard(context, inside, questions), [context.evidence(inside.outer, of.request_frame) for of in questions],
    )  # fmt: skip


def _finding(context: Context, inside: Inside, unheard: _Unheard) -> Finding:
    kind, vni = KIND_OF_NUMBER[inside.via], inside.vni if inside.vni >= 0 else None
    sources, destinations = unheard.sources, unheard.destinations
    point, next_point = context.points[inside.outer].name, context.points[inside.inner].name
    has_no_checksum = arrives_without_checksum(context, inside)
    sentence = unheard.says.fill(
        tunnel=kind.titled(vni), packets=unheard.packets, sources=several(sources), destinations=several(destinations),
        point=point, next=next_point, where=unheard.where,
    )  # fmt: skip
    host = context.points[inside.outer].host or point
    return Finding(
        NAME,
        "error" if unheard.is_certain else "warning",
        sentence + (NO_CHECKSUM.fill() if has_no_checksum else ""),
        (FIX_CHECKSUM if has_no_checksum else FIX).fill(host=host, kind=kind.title, device=kind.name),
        {
            "point": point, "next": next_point, "kind": kind.name, "vni": vni, "sources": sources[:MAX_EVIDENCE],
            "destinations": destinations[:MAX_EVIDENCE], "packets": unheard.packets,
            **({"has_no_checksum": True} if has_no_checksum else {}),
        },
        unheard.evidence,
    )  # fmt: skip
