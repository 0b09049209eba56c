"""icmp-redirect: a router sends packets back into the network they came from, and tells their senders a shorter way.

Looks at: ICMP redirects (IPv4 5/0 to 5/3), two or more of one sender, that go to the source of the packet they quote. A
router sends one where a packet leaves by the interface that it came in by (RFC 1812 section 5.2.7.2).
Says: which router, whose packets for which destinations, and how many messages.
Wrong when: the messages were forged.
Fix: a route of the sender's own past the router. A host with containers in its own network sends redirects too, and so
does a man in the middle who forwards.
Verify: `ip route get DESTINATION` and `ip neigh` on the sender; `sysctl net.ipv4.conf.all.send_redirects` on the
router.
"""

from __future__ import annotations

from itertools import groupby

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.facts.icmp_errors import IcmpError, first_evidence, icmp_errors
from capnet.wire.addresses import address_value
from capnet.wire.numbers import ICMP_REDIRECT

NAME = finding_name(__name__)
LEVELS = ("info",)
SCENARIO = None  # the hosts of the scenarios know the shortest way
WITNESS = "pcaps/ipvlan-l3.pcapng"  # a router that sends other ICMP errors
EXPLAINS = ()

PAGE_ZH = """路由器把包送回它们来自的网络，并告知发送者更短的路。

检查：一个发送者的两条以上 ICMP redirect（IPv4 5/0 到 5/3），发给所引用的包的来源。包从进来的接口再出去时，路由器发送它
（RFC 1812 第 5.2.7.2 节）。
结论：哪个路由器，谁的包，去往哪些目的地，多少条消息。
误判：消息是伪造的。
处理：在发送者上添加绕过该路由器的路由。容器在自己网络中的主机，以及转发包的中间人，也会发送 redirect。
验证：在发送者上 `ip route get DESTINATION` 和 `ip neigh`；在路由器上 `sysctl net.ipv4.conf.all.send_redirects`。
"""

SAYS = Text(
    en="{sender} sends packets {ends} back out of the interface they came in by, and tells who sent them a shorter way "
    "({messages:ICMP redirect})",
    zh="{sender} 把{ends}的包从进来的接口再送出去，并告知发送者更短的路（{messages} 条 ICMP redirect）",
)
FROM_TO = Text(en="of {sources} for {destinations}", zh=" {sources} 去往 {destinations} ")
BETWEEN = Text(en="between {sources}", zh=" {sources} 之间")
FIX = Text(
    en="give {source} a route of its own to {destination}, past {sender} (`ip route get {destination}`); if {sender} "
    "is no router of yours, find out how packets get to it (`ip neigh`)",
    zh="在 {source} 上添加绕过 {sender} 去往 {destination} 的路由（`ip route get {destination}`）；如果 {sender} 不是你"
    "的路由器，查明包是怎样到它那里的（`ip neigh`）",
)

MIN_MESSAGES = 2


def diagnose(context: Context) -> list[Finding]:
    redirects = sorted((error for error in icmp_errors(context) if _is_redirect(error)), key=_sender)
    groups = [(sender, list(group)) for (_, sender), group in groupby(redirects, key=_sender)]
    return [_finding(sender, group) for sender, group in groups if _messages(group) >= MIN_MESSAGES]


def _is_redirect(error: IcmpError) -> bool:
    return not error.is_v6 and error.type == ICMP_REDIRECT and error.receiver == error.quoted.src


def _sender(error: IcmpError) -> tuple[tuple[int, int], str]:
    return address_value(error.sender), error.sender


def _messages(errors: list[IcmpError]) -> int:
    return sum(error.packets for error in errors)


def _finding(sender: str, errors: list[IcmpError]) -> Finding:
    sources = sorted({error.quoted.src for error in errors}, key=address_value)
    destinations = sorted({error.quoted.dst for error in errors}, key=address_value)
    ends = FROM_TO.fill(sources=several(sources), destinations=several(destinations))
    if sources == destinations:
        ends = BETWEEN.fill(sources=several(sources))
    return Finding(
        NAME,
        "info",
        SAYS.fill(sender=sender, ends=ends, messages=_messages(errors)),
        FIX.fill(source=errors[0].quoted.src, destination=errors[0].quoted.dst, sender=sender),
        {
            "sender": sender, "sources": sources[:MAX_EVIDENCE], "destinations": destinations[:MAX_EVIDENCE],
            "messages": _messages(errors),
        },
        first_evidence(errors)[:MAX_EVIDENCE],
    )  # fmt: skip
