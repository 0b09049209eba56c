"""neighbour-unanswered: a host solicits an IPv6 neighbour and gets no advertisement.

Looks at: neighbor solicitations (RFC 4861; no duplicate address detection) that are repeated within 2 s and have no
advertisement at any point, at points that would show one (`facts.neighbours.unanswered_neighbours`).
Says: who asked for which address, and how often. An error if the address exists: another host of this link brings its
packets or has it on a bridge, and does not answer for it; or its own interface gets the questions; or the asker asks as
soon as packets of another network arrive, so its answers have to go by this address. Else a warning. Not: where it
answers another host at the same point.
Wrong when: the capture began or ended between question and answer.
Fix: let the host that has the address answer for it (proxy_ndp), route the prefix to that host, or let ICMPv6 pass.
Verify: `ip -6 neigh show ADDRESS` on the asking host; `ip -6 neigh show proxy` and `ip6tables -vnL INPUT` on the other.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import Finding
from capnet.analysis.core.wording import Text, finding_name
from capnet.analysis.facts.neighbours.unanswered_findings import Wording, unanswered_findings
from capnet.analysis.facts.neighbours.whereabouts.places import Place

NAME = finding_name(__name__)
LEVELS = ("error", "warning")
SCENARIO = "fault neighbour-unanswered"
WITNESS = "pcaps/overlay-two.pcapng"  # stations that probe and announce their link-local addresses
EXPLAINS = ("connection-unanswered", "handshake-unfinished", "no-return-route", "stops-between")

PAGE_ZH = """主机询问 IPv6 邻居而没有得到通告。

检查：在 2 秒内重复的 neighbor solicitation（RFC 4861；不含重复地址检测），在任何本应看到应答的抓包点上都没有
advertisement（`facts.neighbours.unanswered_neighbours`）。
结论：谁询问了哪个地址，多少次。如果该地址存在则为错误：本链路上的另一台主机转来它的包或在网桥上拥有它，而不代为应
答；或它自己的接口收到了询问；或另一个网络的包一到它就询问，应答要经过这个地址。否则为警告。不包括：它在同一抓包点应答了另一台主机。
误判：抓包在询问和应答之间开始或结束。
处理：让拥有该地址的主机代为应答（proxy_ndp），把前缀路由到该主机，或放行 ICMPv6。
验证：在询问的主机上 `ip -6 neigh show ADDRESS`；在另一台上 `ip -6 neigh show proxy` 和 `ip6tables -vnL INPUT`。
"""

SAYS = Text(
    en="{asker} asked for {target} {requests:time} (neighbor solicitation), no answer{though}",
    zh="{asker} 询问 {target} 共 {requests} 次（neighbor solicitation），没有应答{though}",
)
SAYS_OF_SEVERAL = Text(
    en="{asker} asked for {targets} {requests:time} (neighbor solicitation), no answer",
    zh="{asker} 询问 {targets} 共 {requests} 次（neighbor solicitation），没有应答",
)
THOUGH = {
    Place.BROUGHT: Text(
        en=", though its packets come from {mac} at {point}", zh="，但它的包从 {mac} 发出，见于 {point}"
    ),
    Place.HOME: Text(
        en=", though its own interface {point} gets the questions", zh="，但它自己的接口 {point} 收到了这些询问"
    ),
    Place.BEHIND: Text(en=", though {mac} has it at {point}", zh="，但 {mac} 在 {point} 上拥有它"),
}
FIX = Text(
    en="check that {target} exists, on this network, and is up",
    zh="检查 {target} 是否存在、是否在这个网络上、是否已启动",
)
_PROXY = (
    "(`sysctl net.ipv6.conf.CARD.proxy_ndp=1; ip -6 neigh add proxy {target} dev CARD`), or route the containers' "
    "prefix to that host"
)
_PROXY_ZH = (
    "（`sysctl net.ipv6.conf.CARD.proxy_ndp=1; ip -6 neigh add proxy {target} dev CARD`），或把容器的前缀路由到该主机"
)
FIX_AT = {
    Place.BROUGHT: Text(
        en="let the host with the MAC {mac} answer for it " + _PROXY, zh="让 MAC 为 {mac} 的主机代为应答" + _PROXY_ZH
    ),
    Place.HOME: Text(
        en="let neighbor discovery pass at {target}: `ip6tables -vnL INPUT`, ICMPv6 types 135 and 136",
        zh="让 {target} 放行邻居发现：检查 `ip6tables -vnL INPUT`，ICMPv6 类型 135 和 136",
    ),
    Place.BEHIND: Text(
        en="let the host of {point} answer for it " + _PROXY, zh="让 {point} 所在的主机代为应答" + _PROXY_ZH
    ),
}


def diagnose(context: Context) -> list[Finding]:
    return unanswered_findings(context, NAME, "nd", Wording(SAYS, SAYS_OF_SEVERAL, FIX, THOUGH, FIX_AT))
