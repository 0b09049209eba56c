"""arp-spoofing: a station tells all others that it has their addresses.

Looks at: ARP replies to the broadcast address, and the questions of the same MAC. A station never asks who has its own
address. One that announces addresses, and then asks for them as another address, knows that others have them.
Says: which MAC, the address that it asks as, and the addresses that it announces.
Wrong when: a router answers all hosts for those of its own link. Proxy ARP answers the asker alone (RFC 1027).
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
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_text, mac_text
from capnet.wire.numbers import ARP_REPLY, ARP_REQUEST

NAME = finding_name(__name__)
LEVELS = ("warning",)
SCENARIO = None  # the lab attacks no host
WITNESS = "pcaps/faults/duplicate-ip.pcapng"  # two stations announce one address
EXPLAINS = ("connection-cut", "arp-unanswered", "connection-unanswered", "handshake-unfinished")

PAGE_ZH = """一个站点向所有人宣称别人的地址是自己的。

检查：发往广播地址的 ARP 应答，以及同一个 MAC 的询问。站点不会询问谁拥有自己的地址；一个站点宣称某些地址，随后又以另一个
地址询问它们，说明它知道这些地址是别人的。
结论：哪个 MAC，以哪个地址询问，宣称哪些地址。
误判：路由器向所有人代答本链路上的主机；代理 ARP 不会这样做（RFC 1027 只应答询问者）。
处理：找出并停止这个站点；没有 NET_RAW 能力的容器发不出这样的帧。
验证：`bridge fdb show | grep MAC` 显示它在哪个端口后面；`ip neigh` 显示几个地址都是它的 MAC。
"""

SAYS = Text(
    en="{mac} tells everybody that it has {addresses}, and asks as {own} who has them: ARP spoofing",
    zh="{mac} 向所有人宣称自己拥有 {addresses}，又以 {own} 询问谁拥有它们：ARP 欺骗",
)
FIX = Text(
    en="find it by `bridge fdb show | grep {mac}` and stop it; start containers with `--cap-drop NET_RAW`, without "
    "which they cannot send such frames",
    zh="用 `bridge fdb show | grep {mac}` 找到并停止它；启动容器时加 `--cap-drop NET_RAW`，这样容器就发不出这种帧",
)

MIN_ADDRESSES = 2  # of one alone, a virtual address may have gone to another router and come back


class _Message(NamedTuple):
    """Equal ARP messages: of which address, when first and last, and the frame of the first."""

    address: int
    own: int  # address of the sender
    first: int
    last: int
    frame: int


def diagnose(context: Context) -> list[Finding]:
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
        FIX.fill(mac=mac_text(mac)),
        {"mac": mac_text(mac), "addresses": addresses, "own": own, "point": context.points[point].name},
        [context.evidence(point, frame) for frame in frames][:MAX_EVIDENCE],
    )
