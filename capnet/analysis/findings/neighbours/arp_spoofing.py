"""arp-spoofing: a station tells others that it has addresses which are not its own.

Looks at: ARP replies without a question, three or more to one station (`facts.neighbours.forged_replies`): one MAC
tells A that it has B, and B that it has A; or it tells A so while another MAC claims B, and asks for B itself, or the
frames are not from the MAC that they name; or it gives the right MAC of B itself when it ends. And ARP replies to the
broadcast address, and the questions of the same MAC: a station never asks who has its own address. One that announces
addresses, and then asks for them as another address, knows that others have them. Not two MACs that tell the same of
each other: the packets do not show which one has the address.
Says: which MAC, the addresses that it announces, and to whom, or the address that it asks as.
Wrong when: a router answers for hosts of its own link without being asked. Proxy ARP answers a question (RFC 1027).
Fix: find the station and stop it; containers cannot send such frames without the capability NET_RAW.
Verify: `bridge fdb show | grep MAC` names the port that it is behind; `ip neigh` shows its MAC for several addresses.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import is_multicast_mac
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.facts.models.container_signs import shows_containers
from capnet.analysis.facts.neighbours.forged_replies import Forger, forgers
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_text, mac_text
from capnet.wire.numbers import ARP_REPLY, ARP_REQUEST

NAME = finding_name(__name__)
LEVELS = ("warning",)
SCENARIO = None  # the lab attacks no host
WITNESS = "pcaps/faults/duplicate-ip.pcapng"  # two stations announce one address
EXPLAINS = ("connection-cut", "arp-unanswered", "connection-unanswered", "handshake-unfinished")

PAGE_ZH = """一个站点宣称别人的地址是自己的。

检查：没有人询问、对同一站点三次以上的 ARP 应答（`facts.neighbours.forged_replies`）：同一个 MAC 对 A 说自己拥有 B，又
对 B 说自己拥有 A；或者它对 A 这样说时，另一个 MAC 也声称拥有 B，而它自己又询问 B，或这些帧不是从其中所写的 MAC 发出的；
或它结束时自己给出 B 的正确 MAC。以及发往广播地址的 ARP 应答，和同一个 MAC 的询问：站点不会询问谁拥有自己的地址；一个
站点宣称某些地址，随后又以另一个地址询问它们，说明它知道这些地址是别人的。不包括互相这样说的两个 MAC：从包中看不出地址
归谁。
结论：哪个 MAC，宣称哪些地址，对谁宣称，或以哪个地址询问。
误判：路由器未被询问就代答本链路上的主机；代理 ARP 只应答询问（RFC 1027）。
处理：找出并停止这个站点；没有 NET_RAW 能力的容器发不出这样的帧。
验证：`bridge fdb show | grep MAC` 显示它在哪个端口后面；`ip neigh` 显示几个地址都是它的 MAC。
"""

SAYS = Text(
    en="{mac} tells everybody that it has {addresses}, and asks as {own} who has them: ARP spoofing",
    zh="{mac} 向所有人宣称自己拥有 {addresses}，又以 {own} 询问谁拥有它们：ARP 欺骗",
)
SAYS_UNASKED = Text(
    en="{mac} tells {told} that it has {addresses}, {replies:time} and unasked{but}: ARP spoofing",
    zh="{mac} 未被询问就对 {told} 说自己拥有 {addresses}，共 {replies} 次{but}：ARP 欺骗",
)
SAYS_BETWEEN = Text(
    en="{mac} tells {one} that it has {other}, and {other} that it has {one}, {replies:time} and unasked; what they "
    "send to each other goes to it: ARP spoofing",
    zh="{mac} 未被询问就对 {one} 说自己拥有 {other}，又对 {other} 说自己拥有 {one}，共 {replies} 次；它们互相发送的包"
    "都会到它那里：ARP 欺骗",
)
BETWEEN = Text(en="; what they send to each other goes to it", zh="；它们互相发送的包都会到它那里")
OWNED = Text(en=", while {owners} has this address", zh="，而拥有该地址的是 {owners}")
FIX_ELSEWHERE = Text(
    en="find the port that it is behind, by the MAC table of the switch or `bridge fdb show | grep {mac}`, and stop "
    "it; switches can check ARP (dynamic ARP inspection)",
    zh="用交换机的 MAC 表或 `bridge fdb show | grep {mac}` 找到它所在的端口，并停止它；交换机可以检查 ARP（dynamic ARP "
    "inspection）",
)
FIX = Text(
    en="find it by `bridge fdb show | grep {mac}` and stop it; start containers with `--cap-drop NET_RAW`, without "
    "which they cannot send such frames",
    zh="用 `bridge fdb show | grep {mac}` 找到并停止它；启动容器时加 `--cap-drop NET_RAW`，这样容器就发不出这种帧",
)

DOCKERS_MACS = 0x0242  # first octets of those that Docker gave containers until release 28
MIN_ADDRESSES = 2  # of one alone, a virtual address may have gone to another router and come back


class _Message(NamedTuple):
    """Equal ARP messages: of which address, when first and last, and the frame of the first."""

    address: int
    own: int  # address of the sender
    first: int
    last: int
    frame: int


def diagnose(context: Context) -> list[Finding]:
    unasked = _unasked(context)
    unasked_macs = {finding.facts["mac"] for finding in unasked}
    return unasked + [finding for finding in _announced(context) if finding.facts["mac"] not in unasked_macs]


def _unasked(context: Context) -> list[Finding]:
    """Of MACs that tell single stations, one for each, at the point that shows most of it."""
    by_mac: dict[int, list[Forger]] = defaultdict(list)
    claims = {(of.mac, forgery.owner, forgery.address) for of in forgers(context) for forgery in of.forgeries}
    for forger in forgers(context):
        # Of two that tell the same of each other, the packets do not show which one lies.
        if forger.is_between or any((each.owner, forger.mac, each.address) not in claims for each in forger.forgeries):
            by_mac[forger.mac].append(forger)
    return [_of_forger(context, at_places) for _, at_places in sorted(by_mac.items())]


def _of_forger(context: Context, at_places: list[Forger]) -> Finding:
    most = max(at_places, key=lambda of: sum(forgery.replies for forgery in of.forgeries))
    mac = mac_text(most.mac)
    addresses, receivers = (
        [address_text(0, address) for address in sorted({ends[which] for ends in most.forgeries})] for which in (0, 1)
    )
    replies = sum(forgery.replies for forgery in most.forgeries)
    frames = {context.evidence(of.place[0], forgery.frame) for of in at_places for forgery in of.forgeries}
    return Finding(
        NAME,
        "warning",
        _says(most, mac, addresses, receivers, replies),
        _fix(context, most.mac),
        {
            "mac": mac, "addresses": addresses[:MAX_EVIDENCE], "told": receivers[:MAX_EVIDENCE], "messages": replies,
            "point": context.points[most.place[0]].name,
        },
        sorted(frames)[:MAX_EVIDENCE],
    )  # fmt: skip


def _says(forger: Forger, mac: str, addresses: list[str], receivers: list[str], replies: int) -> str:
    if forger.is_between and addresses == receivers and len(receivers) == 2:
        return SAYS_BETWEEN.fill(mac=mac, one=receivers[0], other=receivers[1], replies=replies)
    owners = sorted({mac_text(forgery.owner) for forgery in forger.forgeries if forgery.owner > 0})
    but = BETWEEN.fill() if forger.is_between else OWNED.fill(owners=several(owners))
    return SAYS_UNASKED.fill(mac=mac, told=several(receivers), addresses=several(addresses), replies=replies, but=but)


def _fix(context: Context, mac: int) -> str:
    is_container = mac >> 32 == DOCKERS_MACS or shows_containers(context)
    return (FIX if is_container else FIX_ELSEWHERE).fill(mac=mac_text(mac))


def _announced(context: Context) -> list[Finding]:
    """Of MACs that tell all stations, and ask for what they announce."""
    announced: dict[tuple[int, int], list[_Message]] = defaultdict(list)  # by point and MAC
    asked: dict[tuple[int, int], list[_Message]] = defaultdict(list)
    owners: dict[tuple[int, int], set[int]] = defaultdict(set)  # MACs that announce an address at a point
    for place, operation, message in _messages(context):
        (announced if operation == ARP_REPLY else asked)[place].append(message)
        if operation == ARP_REPLY:
            owners[place[0], message.address].add(place[1])
    findings = []
    for place in sorted(announced.keys() & asked.keys()):
        claims = [each for each in announced[place] if len(owners[place[0], each.address]) == 1]
        if len({question.address for claim in claims for question in _questions(claim, asked[place])}) >= MIN_ADDRESSES:
            findings.append(_finding(context, place, claims, asked[place]))
    return findings


def _messages(context: Context) -> Iterator[tuple[tuple[int, int], int, _Message]]:
    """(point and MAC, operation, message): announcements to all, and questions in an own name."""
    columns = [
        schema.ARP_POINT, schema.ARP_OPERATION, schema.ARP_SENDER_MAC, schema.ARP_SENDER_LO, schema.ARP_TARGET_LO,
        schema.ARP_FIRST, schema.ARP_LAST, schema.ARP_FIRST_FRAME, schema.ARP_ETH_DESTINATION,
    ]  # fmt: skip
    arps = context.arps[context.arps[:, schema.ARP_VIA] == 0]
    for point, operation, mac, sender, target, first, last, frame, to in arps[:, columns].tolist():
        if operation == ARP_REPLY and is_multicast_mac(to) and address_text(0, sender) != "0.0.0.0":
            yield (point, mac), operation, _Message(sender, sender, first, last, frame)
        elif operation == ARP_REQUEST and sender != target and address_text(0, sender) != "0.0.0.0":
            yield (point, mac), operation, _Message(target, sender, first, last, frame)


def _questions(claim: _Message, questions: list[_Message]) -> list[_Message]:
    """Questions for the address that was announced before, under another address."""
    return [each for each in questions if each.address == claim.address != each.own and each.last > claim.first]


def _finding(context: Context, place: tuple[int, int], claims: list[_Message], asked: list[_Message]) -> Finding:
    point, mac = place
    pairs = [(claim, question) for claim in claims for question in _questions(claim, asked)]
    addresses = [address_text(0, address) for address in sorted({claim.address for claim, _ in pairs})]
    own = [address_text(0, address) for address in sorted({question.own for _, question in pairs})]
    frames = sorted({message.frame for pair in pairs for message in pair})
    return Finding(
        NAME,
        "warning",
        SAYS.fill(mac=mac_text(mac), addresses=several(addresses), own=several(own)),
        _fix(context, mac),
        {"mac": mac_text(mac), "addresses": addresses, "own": own, "point": context.points[point].name},
        [context.evidence(point, frame) for frame in frames][:MAX_EVIDENCE],
    )
