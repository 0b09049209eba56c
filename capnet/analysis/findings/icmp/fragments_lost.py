"""fragments-lost: a receiver waits in vain for the rest of fragmented packets.

Looks at: ICMP "fragment reassembly time exceeded" (IPv4 11/1, IPv6 3/1), which a receiver sends 30 s to 60 s after the
first fragment if others are missing.
Says: who could not reassemble whose packets, and how many; between which points packets of these flows are missing.
Wrong when: the fragments were sent without the others, as an attack does.
Fix: send packets that fit the path, by a smaller MTU or message; or let fragments pass the firewall: later ones have no
ports, so that a rule by port drops them.
Verify: `nstat -az IpReasmFails IpReasmTimeout` on the receiver; `ping -M do -s SIZE` shows which size passes whole.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import proto_name
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.schema import IcmpErrorTable
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.facts.icmp_errors import IcmpError, first_evidence, icmp_errors
from capnet.analysis.facts.losses.loss_places import LossPlace, loss_places
from capnet.analysis.fate.answers import quoted_rows
from capnet.wire.addresses import address_value
from capnet.wire.numbers import ICMP_REASSEMBLY, ICMP_TIME_EXCEEDED, ICMPV6_TIME_EXCEEDED

NAME = finding_name(__name__)
LEVELS = ("error", "warning")
SCENARIO = "fault fragments-lost"
WITNESS = "pcaps/overlay.pcapng"  # fragments that are reassembled
EXPLAINS = ("stops-between", "packet-loss", "retransmissions")

PAGE_ZH = """接收方等不到分片包的其余部分。

检查：ICMP “fragment reassembly time exceeded”（IPv4 11/1、IPv6 3/1），接收方在收到第一个分片 30 到 60 秒后、其他分
片缺失时发出。
结论：谁无法重组谁的包，多少个；这些流的包在哪两个抓包点之间缺失。
误判：分片本来就是单独发出的，例如攻击。
处理：用较小的 MTU 或消息发送适合路径的包；或让防火墙放行分片：后续分片没有端口，按端口的规则会丢弃它们。
验证：在接收方 `nstat -az IpReasmFails IpReasmTimeout`；`ping -M do -s SIZE` 显示多大的包能完整通过。
"""

SAYS = Text(
    en="{sender} could not reassemble {count:packet} ({proto}) from {sources}: fragments are missing",
    zh="{sender} 无法重组来自 {sources} 的 {count} 个包（{proto}）：缺少分片",
)
PLACE = Text(
    en="; {lost} of {packets:packet} passed {before} and did not reach {after}",
    zh="；{packets} 个包中有 {lost} 个经过了 {before}，没有到达 {after}",
)
FIX = Text(
    en="send smaller packets to {sender} (MTU, message size), or let later fragments pass: they have no ports, and a "
    "rule by port drops them",
    zh="向 {sender} 发送较小的包（MTU、消息大小），或放行后续分片：它们没有端口，按端口的规则会丢弃它们",
)

MIN_REPEATED = 2  # packets: one alone may have lost a fragment as any packet may be lost


def diagnose(context: Context) -> list[Finding]:
    groups: dict[tuple[str, int], list[IcmpError]] = {}
    for error in icmp_errors(context):
        exceeded = ICMPV6_TIME_EXCEEDED if error.is_v6 else ICMP_TIME_EXCEEDED
        if (error.type, error.code) == (exceeded, ICMP_REASSEMBLY):
            groups.setdefault((error.sender, error.quoted.proto), []).append(error)
    return [_finding(context, sender, proto, errors) for (sender, proto), errors in sorted(groups.items())]


def _finding(context: Context, sender: str, proto: int, errors: list[IcmpError]) -> Finding:
    sources = sorted({error.quoted.src for error in errors}, key=address_value)
    count = sum(error.packets for error in errors)
    places = loss_places(context, quoted_rows(context, _messages(context, sender, proto)))
    facts: dict[str, object] = {
        "receiver": sender, "sources": sources[:MAX_EVIDENCE], "proto": proto_name(proto), "packets": count,
    }  # fmt: skip
    if places:
        facts |= {"from": places[0].before, "to": places[0].after}
    return Finding(
        NAME,
        "error" if count >= MIN_REPEATED else "warning",
        SAYS.fill(sender=sender, count=count, proto=proto_name(proto), sources=several(sources))
        + (_place(places[0]) if places else ""),
        FIX.fill(sender=sender),
        facts,
        first_evidence(errors),
    )


def _messages(context: Context, sender: str, proto: int) -> IcmpErrorTable:
    """The rows of this sender's messages about packets of this protocol."""
    table = context.icmp_errors
    is_v6 = table[:, schema.ICMP_IS_V6] > 0
    is_about = table[:, schema.ICMP_TYPE] == np.where(is_v6, ICMPV6_TIME_EXCEEDED, ICMP_TIME_EXCEEDED)
    is_about &= (table[:, schema.ICMP_CODE] == ICMP_REASSEMBLY) & (table[:, schema.ICMP_QUOTED_PROTO] == proto)
    is_about &= (table[:, [schema.ICMP_SRC_HI, schema.ICMP_SRC_LO]] == address_value(sender)).all(axis=1)
    return table[is_about]


def _place(place: LossPlace) -> str:
    return PLACE.fill(lost=place.lost, packets=place.packets, before=place.before, after=place.after)
