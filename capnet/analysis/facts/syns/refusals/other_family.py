"""Other family: the same server accepts the port at its address of the other family."""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.wording import Text
from capnet.analysis.facts.clues import Clue
from capnet.analysis.facts.outcomes.refused_connections import is_loopback_address
from capnet.analysis.facts.syns.refusals.refused_ports import RefusedPorts

SAYS = Text(
    en="; {other} accepts it: the server listens on {family} only",
    zh="；{other} 接受该端口：服务器只监听 {family}",
)
FIX_LOCALHOST = Text(
    en="ask for {other} in place of localhost, or let the server listen on {address} as well: clients that try it "
    "first lose a moment only",
    zh="用 {other} 代替 localhost，或让服务器也监听 {address}：先尝试它的客户端只损失片刻",
)
FIX = Text(
    en="let the server listen on {address} as well (`ss -ltn` there shows where it listens; an IPv6 socket takes IPv4, "
    "too, unless IPV6_V6ONLY or net.ipv6.bindv6only is set), or ask for {other}",
    zh="让服务器也监听 {address}（在那里 `ss -ltn` 显示它监听何处；除非设置了 IPV6_V6ONLY 或 net.ipv6.bindv6only，IPv6 "
    "套接字也接受 IPv4），或访问 {other}",
)


def clue(context: Context, refused: RefusedPorts) -> Clue | None:
    """At which address: the server listens on one family only."""
    other, address = refused.refusals[0].other_family, refused.address
    if not other:
        return None
    fix = FIX_LOCALHOST if is_loopback_address(address) else FIX
    says = SAYS.fill(other=other, family="IPv6" if ":" in other else "IPv4")
    return Clue(fix.fill(other=other, address=address), says, {"accepted_by": other}, says_all=True)
