"""dhcp-unanswered: a host asks for an address by DHCP and gets none.

Looks at: DISCOVER messages of one client, at least three, without an OFFER, and without a later REQUEST by that client,
which every host on the link would see if an offer had come (RFC 2131 section 4.3.2 has it broadcast). An earlier one
was about a lease that it had. A host that has an address is left out: it sends DISCOVERs from that address to find
servers that should not be there. Offers that a point shows while the client at another one asks on stop in between.
Says: which client, how often and how long it asked; how many offers left which point, and where they did not arrive;
whether a server answers other clients there. Clients of which all of this is true at the same points are one finding.
An error where offers are seen, or the client's questions at several points or in a container; else a warning, as the
client may be any host of the link.
Wrong when: the capture ends before a slow server answers.
Fix: start or reach the DHCP server; find what drops UDP ports 67 and 68, or frames to a MAC behind another card. A
server in a container on a bridge network cannot answer by broadcast: give it the host's network or macvlan.
Verify: `tcpdump -e -n -i CARD port 67 or port 68` on both sides.
"""

from __future__ import annotations

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_among
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import host_of
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.schema import Mask
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import MAPPED, address_text, mac_text
from capnet.wire.numbers import PORT_DHCP_SERVER, UDP

NAME = finding_name(__name__)
LEVELS = ("error", "warning")
SCENARIO = None  # Docker gives addresses itself
WITNESS = "pcaps/macvlan.pcapng"  # containers with addresses of Docker's
EXPLAINS = ()
READS = ("dhcp",)

PAGE_ZH = """一台主机用 DHCP 请求地址而没有得到。

检查：一个客户端的至少三条 DISCOVER，没有 OFFER，之后也没有该客户端的 REQUEST；如果有 offer，链路上的所有主机都会看到
REQUEST（RFC 2131 4.3.2 节规定它是广播）。更早的 REQUEST 是关于它原有的租约。已有地址的主机不算：它从该地址发送
DISCOVER，以寻找不该存在的服务器。一个抓包点上有 offer，而客户端在另一个抓包点上继续请求，说明 offer 停在两者之间。
结论：哪个客户端，请求了多少次、多久；有多少个 offer 离开哪个抓包点，没有到达哪里；服务器是否在那里应答了其他客户端。
在同样的抓包点上情况相同的客户端合为一条。看到 offer，或在多个抓包点上或在容器中看到客户端的请求时为错误；否则为警告，
因为客户端可能是链路上的任何主机。
误判：抓包在较慢的服务器应答之前结束。
处理：启动 DHCP 服务器或使它可达；查找是什么丢弃了 UDP 端口 67 和 68，或发往另一个接口后面的 MAC 的帧。网桥网络上容器中
的服务器无法用广播应答：让它使用主机的网络或 macvlan。
验证：在两侧 `tcpdump -e -n -i CARD port 67 or port 68`。
"""

SAYS = Text(
    en="{client} asked for an address by DHCP {asked:time} in {seconds} s and {outcome}",
    zh="{client} 在 {seconds} 秒内用 DHCP 请求地址 {asked} 次，结果：{outcome}",
)
SAYS_OF_SEVERAL = Text(
    en="{client} asked for addresses by DHCP, together {asked:time} in {seconds} s, and {outcome}",
    zh="{client} 在 {seconds} 秒内用 DHCP 请求地址共 {asked} 次，结果：{outcome}",
)
NO_OFFER = Text(en="got no offer", zh="没有 offer")
STOPPED = Text(
    en="got none: {offers:offer} of {server} reached {point}, none reached {other}",
    zh="没有收到：{server} 的 {offers} 个 offer 到达 {point}，没有一个到达 {other}",
)
NOT_TAKEN = Text(
    en="took none of {offers:offer} of {server} that reached {point}",
    zh="没有采用：{server} 的 {offers} 个 offer 到达了 {point}",
)
FIX = Text(
    en="check that a DHCP server is up and on this network, and what drops UDP ports 67 and 68 or frames to {client} "
    "on the way (`nft list ruleset`, the port of a virtual switch)",
    zh="检查 DHCP 服务器是否已启动、是否在这个网络上，以及途中是什么丢弃了 UDP 端口 67 和 68 或发往 {client} 的帧（`"
    "nft list ruleset`、虚拟交换机的端口）",
)
FIX_ANSWERED = Text(
    en="a DHCP server is up and answers {clients:other client} ({servers}): look in its log, for free addresses in its "
    "pool, and for a rule that leaves out {client}; then for what drops frames to {client} on the way",
    zh="DHCP 服务器在运行，并应答了另外 {clients} 个客户端（{servers}）：查看它的日志、地址池中是否还有空闲地址、是否有"
    "规则排除了 {client}；再查找途中是什么丢弃了发往 {client} 的帧",
)
FIX_OFFERED = Text(
    en="{server} is up and offers addresses: find what drops its offers behind {point}, or frames to {client} (`nft "
    "list ruleset`, the port of a virtual switch). If they reach the client, look in its log why it takes none",
    zh="{server} 在运行并提供地址：查找 {point} 之后是什么丢弃了它的 offer 或发往 {client} 的帧（`nft list ruleset`、虚"
    "拟交换机的端口）。如果它们到达了客户端，在其日志中查看为何不采用",
)
FIX_ON_BRIDGE = Text(
    en="a DHCP server on a bridge network hears what is sent to the published port 67, and its broadcasts end at that "
    "bridge: give its container `--network host` or a macvlan network, or run a DHCP relay on the host that asks it "
    "by its address",
    zh="网桥网络上的 DHCP 服务器收得到发往所发布端口 67 的报文，但它的广播到该网桥为止：让其容器使用 `--network host` "
    "或 macvlan 网络，或在主机上运行 DHCP 中继，按地址询问它",
)
THESE = Text(en="these clients", zh="这些客户端")

DISCOVER, OFFER, REQUEST, ACK, NAK = 1, 2, 3, 5, 6  # types of messages (RFC 2132 section 9.6)
ANY, EVERYBODY = MAPPED, MAPPED | 0xFFFFFFFF  # 0.0.0.0 and 255.255.255.255
MIN_DISCOVERS = 3  # clients send that many before they give up (udhcpc), so two may be answered after the capture
MAX_APART_NS = 60_000_000_000  # a server that answered others a minute before is rarely down
MIN_STOPPED = 2  # offers, none of which the point nearest to the client shows: then no slow server is waited for
MIN_ASKING_NS = 3_000_000_000  # a server that probes the address first takes a second or two (RFC 2131 section 2.2)


class _Messages(NamedTuple):
    """Messages of one type about a client at one point."""

    point: int
    packets: int
    first: int
    last: int
    frame: int
    sender: str


_Types = dict[int, list[_Messages]]  # type of message → at each point


class _Cause(NamedTuple):
    """What clients have in common that one cause keeps from an address."""

    is_near: bool
    points: tuple[int, ...]  # that show their questions
    server: str  # whose offers are seen; empty without any
    offered_at: int
    missing_at: int  # where none of the offers arrives; -1 if they reach all points


class _Client(NamedTuple):
    """A client without an address: its questions at the point that shows most of them, and all of its messages."""

    mac: int
    asked: _Messages
    types: _Types
    offers: list[_Messages]


def diagnose(context: Context) -> list[Finding]:
    by_client: dict[tuple[int, int, int], _Types] = {}
    for row in context.dhcp[~_are_probes(context)].tolist():
        place = row[schema.DHCP_VIA], row[schema.DHCP_VIA_VNI], row[schema.DHCP_CLIENT]
        messages = _Messages(
            row[schema.DHCP_POINT], row[schema.DHCP_PACKETS], row[schema.DHCP_FIRST], row[schema.DHCP_LAST],
            row[schema.DHCP_FIRST_FRAME], address_text(0, row[schema.DHCP_SRC_LO]),
        )  # fmt: skip
        by_client.setdefault(place, {}).setdefault(row[schema.DHCP_TYPE], []).append(messages)
    alike: dict[_Cause, list[_Client]] = {}
    for (_, _, mac), types in sorted(by_client.items()):
        client = _without_address(mac, types)
        if client is not None:
            alike.setdefault(_cause(context, client), []).append(client)
    answered = [types for types in by_client.values() if _answers(types)]
    return [_finding(context, cause, clients, answered) for cause, clients in alike.items()]


def _are_probes(context: Context) -> Mask:
    """Per row: is it a DISCOVER that its client broadcasts from an address that it has? A relay's goes to a server."""
    table, flows = context.dhcp, context.flows
    mask: Mask = (table[:, schema.DHCP_TYPE] == DISCOVER) & (table[:, schema.DHCP_SRC_LO] != ANY)
    if mask.any():
        is_broadcast = (flows[:, schema.FLOW_PROTO] == UDP) & (flows[:, schema.FLOW_DPORT] == PORT_DHCP_SERVER)
        is_broadcast &= (flows[:, schema.FLOW_DST_HI] == 0) & (flows[:, schema.FLOW_DST_LO] == EVERYBODY)
        mask &= is_among(table[:, schema.DHCP_SRC_LO], flows[is_broadcast, schema.FLOW_SRC_LO])
    return mask


def _without_address(mac: int, types: _Types) -> _Client | None:
    """The client if it asked again and again and got nothing; a REQUEST before its questions was about a lease."""
    asked = max(types.get(DISCOVER, []), key=lambda of: of.packets, default=None)
    if asked is None or asked.packets < MIN_DISCOVERS:
        return None
    first = min(of.first for of in types[DISCOVER])
    if any(of.last >= first for kind in (REQUEST, ACK) for of in types.get(kind, [])):
        return None
    offers = [of for of in types.get(OFFER, []) if first <= of.last and of.first < asked.last]
    nearest = min(types[DISCOVER], key=lambda of: of.first).point
    have_stopped = max((of.packets for of in offers), default=0) >= MIN_STOPPED
    have_stopped &= nearest not in {of.point for of in offers}
    if asked.last - asked.first < MIN_ASKING_NS and not have_stopped:
        return None
    return _Client(mac, asked, types, offers)


def _answers(types: _Types) -> list[_Messages]:
    """What servers sent to a client."""
    return [of for kind in (OFFER, ACK, NAK) for of in types.get(kind, [])]


def _cause(context: Context, client: _Client) -> _Cause:
    """What became of the client's questions."""
    asked, offers = client.types[DISCOVER], client.offers
    places = tuple(sorted({of.point for of in asked}))
    is_near = bool(offers) or len(places) > 1 or any(context.points[of].role == "container" for of in places)
    if not offers:
        return _Cause(is_near, places, "", -1, -1)
    most = max(offers, key=lambda of: of.packets)
    reached = {of.point for of in offers}
    without = [of for of in asked if of.point not in reached]
    # The first one that the questions passed is the nearest to the client.
    missing_at = min(without, key=lambda of: of.first).point if without else -1
    return _Cause(is_near, places, most.sender, most.point, missing_at)


def _finding(context: Context, cause: _Cause, clients: list[_Client], answered: list[_Types]) -> Finding:
    """One cause, of one client or of several."""
    macs = [mac_text(client.mac) for client in clients]
    asked = sum(client.asked.packets for client in clients)
    lasted = max(client.asked.last for client in clients) - min(client.asked.first for client in clients)
    offers = sum(max((of.packets for of in client.offers), default=0) for client in clients)
    shown = [of for client in clients for of in (*client.types[DISCOVER], *client.offers)]
    evidence = {context.evidence(of.point, of.frame) for of in shown}
    one_or_all = {"client": macs[0]} if len(macs) == 1 else {"clients": macs[:MAX_EVIDENCE], "count": len(macs)}
    says = SAYS if len(macs) == 1 else SAYS_OF_SEVERAL
    return Finding(
        NAME,
        "error" if cause.is_near else "warning",
        says.fill(
            client=several(macs), asked=asked, seconds=f"{lasted / 1e9:.3g}", outcome=_outcome(context, cause, offers)
        ),
        FIX_ON_BRIDGE.fill() if _ends_at_bridge(context, cause) else _fix(context, cause, clients, answered),
        {
            **one_or_all, "asked": asked, "offers": offers,
            "servers": sorted({of.sender for client in clients for of in client.offers}),
        },
        sorted(evidence)[:MAX_EVIDENCE],
    )  # fmt: skip


def _outcome(context: Context, cause: _Cause, offers: int) -> str:
    if not cause.server:
        return NO_OFFER.fill()
    values = {"offers": offers, "server": cause.server, "point": context.points[cause.offered_at].name}
    if cause.missing_at >= 0:
        return STOPPED.fill(**values, other=context.points[cause.missing_at].name)
    return NOT_TAKEN.fill(**values)


def _ends_at_bridge(context: Context, cause: _Cause) -> bool:
    """Do the offers of a container stay on its bridge, while the questions come in at the host's card?"""
    if cause.missing_at < 0:
        return False
    offered, missing = (context.points[point] for point in (cause.offered_at, cause.missing_at))
    is_one_host = host_of(offered.name) == host_of(missing.name)
    return is_one_host and offered.role in ("bridge", "veth", "container") and missing.role == "parent"


def _fix(context: Context, cause: _Cause, clients: list[_Client], answered: list[_Types]) -> str:
    """What to do: a server that answers other clients at the same point in the same time is up."""
    client = mac_text(clients[0].mac) if len(clients) == 1 else THESE.fill()
    if cause.server:
        return FIX_OFFERED.fill(server=cause.server, point=context.points[cause.offered_at].name, client=client)
    since = min(client.asked.first for client in clients) - MAX_APART_NS
    until = max(client.asked.last for client in clients) + MAX_APART_NS
    others = [
        types
        for types in answered
        if any(
            of.point in cause.points and (since <= of.first <= until or since <= of.last <= until)
            for of in _answers(types)
        )
    ]
    if not others:
        return FIX.fill(client=client)
    servers = sorted({of.sender for types in others for of in _answers(types)})
    return FIX_ANSWERED.fill(client=client, clients=len(others), servers=several(servers))
