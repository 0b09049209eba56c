"""syn-flood: a service gets SYNs of hundreds of random addresses, and answers none of them.

Looks at: the SYNs to one address and port that nothing answers (`facts.syns.unanswered_services`), of 200 IPv4
addresses or more, at most three SYNs of each on average, spread over 50 first octets or more. Not where the service
accepted these clients before.
Says: how many SYNs came from how many addresses to which service in which time. No service has so many clients in so
many networks that give up so soon: the addresses are forged.
Wrong when: a popular service went down, and the capture begins only then.
Fix: the sources say nothing of the sender; its MAC says from which port of the network, or by which router, it comes.
Verify: `nstat -az TcpExtSyncookiesSent TcpExtTCPReqQFullDrop`; `ss -Htn state syn-recv | wc -l` on the server.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import Finding
from capnet.analysis.core.wording import Text, endpoint_text, finding_name
from capnet.analysis.facts.syns.floods import SynFlood, syn_floods
from capnet.wire.addresses import mac_text

NAME = finding_name(__name__)
LEVELS = ("warning",)
SCENARIO = None  # a flood would leave the namespaces of no lab, and harm its host
WITNESS = "pcaps/bridge.pcapng"  # every SYN is answered
EXPLAINS = ("retransmissions",)

PAGE_ZH = """一个服务收到来自数百个随机地址的 SYN，一个也没有应答。

检查：发往同一地址和端口、没有任何应答的 SYN（`facts.syns.unanswered_services`），它们来自 200 个以上 IPv4 地址，平均每
个地址不超过三个 SYN，地址的第一个字节至少有 50 种。不包括该服务此前接受过这些客户端的情况。
结论：在多长时间内，有多少 SYN 从多少个地址发往哪个服务。没有哪个服务在这么多网络里有这么多这样快就放弃的客户端：地址
是伪造的。
误判：热门服务停机，而抓包在此之后才开始。
处理：源地址说明不了发送者；其 MAC 说明它来自网络的哪个端口，或经过哪个路由器。
验证：在服务器上 `nstat -az TcpExtSyncookiesSent TcpExtTCPReqQFullDrop`；`ss -Htn state syn-recv | wc -l`。
"""

SAYS = Text(
    en="{syns} SYNs from {sources} random addresses to {server}, a few of each, in {seconds} s, got no answer: a SYN "
    "flood with forged addresses",
    zh="{seconds} 秒内有 {syns} 个 SYN 从 {sources} 个随机地址发往 {server}，每个地址只有几个，没有应答：这是使用伪造"
    "地址的 SYN 洪泛",
)
FIX = Text(
    en="find who sends them{mac}. SYN cookies let {address} live through it (sysctl net.ipv4.tcp_syncookies); a rate "
    "limit before it spares its queue",
    zh="查找是谁发送的{mac}。SYN cookie 可让 {address} 承受得住（sysctl net.ipv4.tcp_syncookies）；在它前面限速可以保护"
    "其队列",
)
WITH_MAC = Text(en=", with MAC {mac} at {point}", zh="，其在 {point} 的 MAC 是 {mac}")


def diagnose(context: Context) -> list[Finding]:
    return [_finding(flood) for flood in syn_floods(context)]


def _finding(flood: SynFlood) -> Finding:
    service = flood.service
    mac = WITH_MAC.fill(mac=mac_text(flood.mac), point=flood.point) if flood.mac > 0 else ""
    return Finding(
        NAME,
        "warning",
        SAYS.fill(
            syns=service.syns,
            sources=flood.sources,
            server=endpoint_text(service.address, service.port),
            seconds=flood.seconds,
        ),
        FIX.fill(mac=mac, address=service.address),
        {
            "server": service.address, "port": service.port, "sources": flood.sources, "point": flood.point,
            "connections": len(service.rows), "attempts": service.syns,
        },
        flood.evidence,
    )  # fmt: skip
