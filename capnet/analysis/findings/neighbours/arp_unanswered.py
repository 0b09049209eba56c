"""arp-unanswered: a host asks for an address by ARP and gets no reply.

Looks at: ARP requests (no probes and announcements, RFC 5227) that are repeated within 2 s and have no reply at any
point, at points that would show one (`facts.neighbours.unanswered_neighbours`).
Says: who asked for which address, and how often. It is an error in three cases, else a warning:
- packets of the address come from another host of this link, which does not answer for it;
- the address's own interface gets the requests;
- the asker asks as soon as packets of another network arrive, and does not answer these: its answers have to go by this
  address.

Not told are an address that answers another host at the same point, and a DHCP server that looks whether an address is
in use before it offers it. A host that asks for its own macvlan child is `macvlan-host-isolation`, one that looks on
the wrong link `subnet-overlap`, one that asks for 20 addresses or more `address-scan`.
Wrong when: the capture began or ended between request and reply.
Fix: correct the address, or start the host that has it; a wrong gateway address is the usual cause.
Verify: `arping -I IFACE ADDRESS`, `ip neigh show ADDRESS` on the asking host.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import Finding
from capnet.analysis.core.wording import Text, finding_name
from capnet.analysis.facts.neighbours.unanswered_findings import Wording, unanswered_findings
from capnet.analysis.facts.neighbours.whereabouts.places import Place

NAME = finding_name(__name__)
LEVELS = ("error", "warning")
SCENARIO = "fault arp-unanswered"
WITNESS = "pcaps/macvlan.pcapng"  # a host asks for its own macvlan child in vain
EXPLAINS = ("connection-unanswered",)

PAGE_ZH = """一台主机用 ARP 询问地址而没有应答。

检查：在 2 秒内重复的 ARP 请求（不含探测和通告，RFC 5227），在任何本应看到应答的抓包点上都没有应答
（`facts.neighbours.unanswered_neighbours`）。
结论：谁询问了哪个地址，多少次。以下三种情况为错误，否则为警告：
- 该地址的包由本链路上的另一台主机转来，而那台主机不代为应答；
- 该地址自己的接口收到了请求；
- 另一个网络的包一到它就询问，随后却不应答那些包：应答要经过这个地址。

不包括在同一抓包点应答了另一台主机的地址，以及 DHCP 服务器在提供地址前检查它是否已被使用。主机询问自己的 macvlan 子接
口见 `macvlan-host-isolation`，在错误的链路上查找见 `subnet-overlap`，询问 20 个及以上地址见 `address-scan`。
误判：抓包在请求和应答之间开始或结束。
处理：更正地址，或启动拥有它的主机；常见原因是网关地址写错。
验证：在询问的主机上 `arping -I IFACE ADDRESS`、`ip neigh show ADDRESS`。
"""

SAYS = Text(
    en="{asker} asked for {target} by ARP {requests:time}, no answer{though}",
    zh="{asker} 用 ARP 询问 {target} 共 {requests} 次，没有应答{though}",
)
SAYS_OF_SEVERAL = Text(
    en="{asker} asked for {targets} by ARP {requests:time}, no answer",
    zh="{asker} 用 ARP 询问 {targets} 共 {requests} 次，没有应答",
)
THOUGH = {
    Place.BROUGHT: Text(
        en=", though its packets come from {mac} at {point}", zh="，但它的包从 {mac} 发出，见于 {point}"
    ),
    Place.HOME: Text(
        en=", though its own interface {point} gets the requests", zh="，但它自己的接口 {point} 收到了这些请求"
    ),
    Place.BROADCAST: Text(en=": this is a broadcast address, which no host has", zh="：这是广播地址，没有主机拥有它"),
}
FIX = Text(
    en="check that {target} exists, on this network, and is up",
    zh="检查 {target} 是否存在、是否在这个网络上、是否已启动",
)
FIX_AT = {
    Place.BROUGHT: Text(
        en="let the host with the MAC {mac} answer for it (`sysctl net.ipv4.conf.CARD.proxy_arp=1`), or give {asker} "
        "a route to {target} by that host; if that host translates to it (SNAT), it must have the address: `ip addr`",
        zh="让 MAC 为 {mac} 的主机代为应答（`sysctl net.ipv4.conf.CARD.proxy_arp=1`），或给 {asker} 加一条经过该主机到 "
        "{target} 的路由；如果该主机做 SNAT 转换成它，则主机必须拥有该地址：`ip addr`",
    ),
    Place.HOME: Text(
        en="let ARP pass at {target}: `arptables -vnL`, `nft list ruleset`, `sysctl net.ipv4.conf.all.arp_ignore`",
        zh="让 {target} 放行 ARP：检查 `arptables -vnL`、`nft list ruleset`、`sysctl net.ipv4.conf.all.arp_ignore`",
    ),
    Place.BROADCAST: Text(
        en="correct the netmask of {asker}, or what sends to {target} there",
        zh="更正 {asker} 的掩码，或在它上面向 {target} 发送的程序",
    ),
}


def diagnose(context: Context) -> list[Finding]:
    return unanswered_findings(context, NAME, "arp", Wording(SAYS, SAYS_OF_SEVERAL, FIX, THOUGH, FIX_AT))
