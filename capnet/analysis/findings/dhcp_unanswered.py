"""dhcp-unanswered: a host asks for an address by DHCP and gets none.

Looks at: DISCOVER messages of one client, at least three, without an OFFER, and without a REQUEST by that client, which
every host on the link would see if an offer had come (RFC 2131 section 4.3.2 has it broadcast). Offers that a point
shows while the client at another one asks on stop in between.
Says: which client, how often and how long it asked; how many offers left which point, and where they did not arrive.
An error where offers are seen, or the client's questions at several points or in a container; else a warning, as the
client may be any host of the link.
Wrong when: the capture ends before a slow server answers.
Fix: start or reach the DHCP server; find what drops UDP ports 67 and 68, or frames to a MAC behind another card.
Verify: `tcpdump -e -n -i CARD port 67 or port 68` on both sides.
"""

from __future__ import annotations

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.wording import Text, finding_name
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_text, mac_text

NAME = finding_name(__name__)
LEVELS = ("error", "warning")
SCENARIO = None  # Docker gives addresses itself
WITNESS = "pcaps/macvlan.pcapng"  # containers with addresses of Docker's
EXPLAINS = ()

PAGE_ZH = """一台主机用 DHCP 请求地址而没有得到。

检查：一个客户端的至少三条 DISCOVER，没有 OFFER，也没有该客户端的 REQUEST；如果有 offer，链路上的所有主机都会看到
REQUEST（RFC 2131 4.3.2 节规定它是广播）。一个抓包点上有 offer，而客户端在另一个抓包点上继续请求，说明 offer 停在两
者之间。
结论：哪个客户端，请求了多少次、多久；有多少个 offer 离开哪个抓包点，没有到达哪里。看到 offer，或在多个抓包点上或在
容器中看到客户端的请求时为错误；否则为警告，因为客户端可能是链路上的任何主机。
误判：抓包在较慢的服务器应答之前结束。
处理：启动 DHCP 服务器或使它可达；查找是什么丢弃了 UDP 端口 67 和 68，或发往另一个接口后面的 MAC 的帧。
验证：在两侧 `tcpdump -e -n -i CARD port 67 or port 68`。
"""

SAYS = Text(
    en="{client} asked for an address by DHCP {asked:time} in {seconds} s and got {outcome}",
    zh="{client} 在 {seconds} 秒内用 DHCP 请求地址 {asked} 次，结果：{outcome}",
)
NO_OFFER = Text(en="no offer", zh="没有 offer")
STOPPED = Text(
    en="none: {offers:offer} of {server} reached {point}, none reached {other}",
    zh="没有收到：{server} 的 {offers} 个 offer 到达 {point}，没有一个到达 {other}",
)
NOT_TAKEN = Text(
    en="none that it took: {offers:offer} of {server} reached {point}",
    zh="没有采用：{server} 的 {offers} 个 offer 到达了 {point}",
)
FIX = Text(
    en="check that a DHCP server is up and on this network, and what drops UDP ports 67 and 68 or frames to {client} "
    "on the way (`nft list ruleset`, the port of a virtual switch)",
    zh="检查 DHCP 服务器是否已启动、是否在这个网络上，以及途中是什么丢弃了 UDP 端口 67 和 68 或发往 {client} 的帧（`"
    "nft list ruleset`、虚拟交换机的端口）",
)

DISCOVER, OFFER, REQUEST, ACK = 1, 2, 3, 5  # types of messages (RFC 2132 section 9.6)
MIN_DISCOVERS = 3  # clients send that many before they give up (udhcpc), so two may be answered after the capture
MIN_ASKING_NS = 3_000_000_000  # a server that probes the address first takes a second or two (RFC 2131 section 2.2)


class _Messages(NamedTuple):
    """Messages of one type about a client at one point."""

    point: int
    packets: int
    first: int
    last: int
    frame: int
    sender: str


def diagnose(context: Context) -> list[Finding]:
    by_client: dict[tuple[int, int, int], dict[int, list[_Messages]]] = {}
    for row in context.dhcp.tolist():
        place = row[schema.DHCP_VIA], row[schema.DHCP_VIA_VNI], row[schema.DHCP_CLIENT]
        messages = _Messages(
            row[schema.DHCP_POINT], row[schema.DHCP_PACKETS], row[schema.DHCP_FIRST], row[schema.DHCP_LAST],
            row[schema.DHCP_FIRST_FRAME], address_text(0, row[schema.DHCP_SRC_LO]),
        )  # fmt: skip
        by_client.setdefault(place, {}).setdefault(row[schema.DHCP_TYPE], []).append(messages)
    findings = (_finding(context, client, types) for (_, _, client), types in sorted(by_client.items()))
    return [finding for finding in findings if finding is not None]


def _finding(context: Context, client: int, types: dict[int, list[_Messages]]) -> Finding | None:
    asked = max(types.get(DISCOVER, []), key=lambda of: of.packets, default=None)
    if asked is None or types.get(REQUEST) or types.get(ACK):
        return None
    if asked.packets < MIN_DISCOVERS or asked.last - asked.first < MIN_ASKING_NS:
        return None
    offers = [of for of in types.get(OFFER, []) if of.first < asked.last]
    outcome = _outcome(context, types[DISCOVER], offers)
    places = {of.point for of in types[DISCOVER]}
    is_near = bool(offers) or len(places) > 1 or any(context.points[of].role == "container" for of in places)
    evidence = {context.evidence(of.point, of.frame) for of in (*types[DISCOVER], *offers)}
    return Finding(
        NAME,
        "error" if is_near else "warning",
        SAYS.fill(
            client=mac_text(client), asked=asked.packets, seconds=f"{(asked.last - asked.first) / 1e9:.3g}",
            outcome=outcome,
        ),
        FIX.fill(client=mac_text(client)),
        {
            "client": mac_text(client), "asked": asked.packets, "offers": max((of.packets for of in offers), default=0),
            "servers": sorted({of.sender for of in offers}),
        },
        sorted(evidence)[:MAX_EVIDENCE],
    )  # fmt: skip


def _outcome(context: Context, asked: list[_Messages], offers: list[_Messages]) -> str:
    """What became of the client's questions."""
    if not offers:
        return NO_OFFER.fill()
    most = max(offers, key=lambda of: of.packets)
    values = {"offers": most.packets, "server": most.sender, "point": context.points[most.point].name}
    reached = {of.point for of in offers}
    without = [of for of in asked if of.point not in reached]
    if without:  # the first one that the questions passed is the nearest to the client
        nearest = min(without, key=lambda of: of.first)
        return STOPPED.fill(**values, other=context.points[nearest.point].name)
    return NOT_TAKEN.fill(**values)
