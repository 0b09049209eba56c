"""connection-unanswered: SYNs to a server are sent again and again, and nothing answers.

Looks at: TCP flows of SYNs alone, sent again after a second or more, that no SYN-ACK, RST, ICMP error or other address
answers at any point (`facts.syns.unanswered_services`). Also single SYNs of a client that gives up sooner, if three or
more of its connections to the service in a row, over 2 s or more, get no answer. Not:
- where the captures show the next point on their way (`stops-between`);
- published ports (`published-port-blocked`);
- floods (`syn-flood`), and clients that scan.
Says: who asks which server in vain, to which backend DNAT sends the SYNs, where they were last seen, and at `any`
whether its host received or sent them. An error if the SYNs are at the server's own interface and the server answers
others meanwhile; else a warning: what lies behind the point is not known. As far as the packets show it:
- what of the server does answer: other connections to the same port, another port, an echo request, or nothing;
- that it is down, if it sent nothing since and questions for its MAC stay unanswered;
- that it connects to the client itself meanwhile, or sent nothing before and does so later;
- what is different where it answers: another MAC, that is another gateway, another interface, IPv4 in place of IPv6,
  another node of the same NodePort, another address that a host translates to, or TCP timestamps that are ahead;
- which end signs its SYNs by TCP MD5, as BGP with a password does: both directions are one finding then;
- that other servers beyond the gateway of several silent ones answer meanwhile;
- by which point other packets of the client leave its host, if these do not;
- which host forwards them to which next hop, and that it does so with private addresses while its own one is accepted;
- that DNAT leads back to the client's own network, so that answers go past the host that translates;
- that the point records one direction alone, which does not show a refusal.
Wrong when: the answers took a way that was not captured. A capture filter may hide what a host that received the SYNs
sent on under other addresses.
Fix: a port where nothing listens is refused. Silence is a filter, a missing route, or a server that is down.
Verify: capture at the server: `capnet capture HOST/IFACE`; `iptables -vnL` and `nft list ruleset` there count drops.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.wording import Text, endpoint_text, finding_name, several
from capnet.analysis.facts.losses.stopped_flows import hop_evidence
from capnet.analysis.facts.syns.floods import syn_floods
from capnet.analysis.facts.syns.other_answers import Kind
from capnet.analysis.facts.syns.service_groups import ServiceGroup, service_groups
from capnet.analysis.facts.syns.signatures import without_mirrored
from capnet.analysis.facts.syns.unanswered.answer_words import answer_text
from capnet.analysis.facts.syns.unanswered.unanswered_clues import clue_of
from capnet.analysis.facts.syns.unanswered_services import UnansweredService, unanswered_services
from capnet.wire.addresses import address_value

NAME = finding_name(__name__)
LEVELS = ("error", "warning")
SCENARIO = "fault connection-unanswered"
WITNESS = "pcaps/bridge.pcapng"  # every SYN is answered
EXPLAINS = ("retransmissions",)

PAGE_ZH = """到服务器的 SYN 一再重发，没有任何应答。

检查：只有 SYN、一秒以上之后重发的 TCP 流，在任何抓包点上都没有 SYN-ACK、RST、ICMP 错误或别的地址应答
（`facts.syns.unanswered_services`）；以及更早放弃的客户端的单个 SYN，如果它到该服务的连接在 2 秒以上的时间里接连三个或
更多都没有应答。不包括：
- 抓包显示了其下一个抓包点的流（`stops-between`）；
- 端口映射（`published-port-blocked`）；
- 洪泛（`syn-flood`）和扫描的客户端。
结论：谁访问哪个服务器而无应答，DNAT 把 SYN 送往哪个后端，SYN 最后见于哪里；在 `any` 上抓包时，还有该主机是收到还是发
出了它们。如果 SYN 已在服务器自己的接口上，而服务器同时应答别的，为错误；否则为警告：抓包点后面的情况不得而知。只要包能
显示，还会说明：
- 该服务器还应答什么：到同一端口的其他连接、另一个端口、回显请求，或什么都不应答；
- 它已停机：它此后什么也没有发送，对其 MAC 的询问也没有应答；
- 它同时自己连接该客户端，或此前什么也没有发送、之后才这样做；
- 得到应答的连接有何不同：另一个 MAC（即另一个网关）、另一个接口、用 IPv4 而不是 IPv6、同一 NodePort 的另一个节点、主机
  转换成的另一个地址，或更靠后的 TCP 时间戳；
- 哪一端用 TCP MD5 给 SYN 签名（有密码的 BGP 就是这样），这时两个方向合为一条；
- 几台不应答的服务器共用的网关后面，其间有其他服务器应答；
- 客户端的其他包从主机的哪个抓包点离开，如果这些包没有到那里；
- 哪台主机把它们转发给哪个下一跳，以及转发时用的是私有地址，而它自己的地址被接受；
- DNAT 转回客户端自己的网络，使应答绕过做转换的主机；
- 抓包点只记录了一个方向，看不到拒绝。
误判：应答走了没有抓包的路。收到 SYN 的主机以别的地址转发出去的包，可能被抓包过滤器滤掉。
处理：没有程序监听的端口会拒绝连接。不作声的是过滤规则、缺少的路由，或停机的服务器。
验证：在服务器上抓包：`capnet capture HOST/IFACE`；那里的 `iptables -vnL` 和 `nft list ruleset` 有丢弃计数。
"""

SAYS = Text(
    en="{syns:SYN} of {clients} to {servers}{translated} got no answer; {syns:it was|they were} last seen at "
    "{point}{place}; {shown}",
    zh="{clients} 到 {servers}{translated} 的 {syns} 个 SYN 没有应答；最后见于 {point}{place}；{shown}",
)
SAYS_OF_ONE_DIRECTION = Text(
    en="{syns:SYN} of {clients} to {servers}{translated} were sent again, so none was accepted; they were last seen "
    "at {point}{place}; {shown}",
    zh="{clients} 到 {servers}{translated} 的 {syns} 个 SYN 被重发，即没有一个被接受；最后见于 {point}{place}；{shown}",
)
TRANSLATED = Text(en=", which DNAT sends to {backends},", zh="（DNAT 转换到 {backends}）")
PORTS = Text(en="ports {ports} of {address}", zh="{address} 的端口 {ports}")
AT_SERVER = Text(en=", the server's own interface", zh="，即服务器自己的接口")
AT_HOST = {
    "received": Text(en=", whose host received them", zh="，该主机收到了它们"),
    "sent": Text(en=", whose host sent them", zh="，该主机发出了它们"),
}

# Kinds of answers that do not show that the service works now.
_UNCERTAIN: tuple[Kind, ...] = ("before", "refused", "gone", "later", "nothing")


def diagnose(context: Context) -> list[Finding]:
    flooded = {(flood.service.address, flood.service.port) for flood in syn_floods(context)}
    services = [of for of in unanswered_services(context) if (of.address, of.port) not in flooded]
    groups = service_groups(context, services)
    return [_finding(context, group) for group in without_mirrored(context, groups)]


def _finding(context: Context, group: ServiceGroup) -> Finding:
    clue = clue_of(context, group)
    attempts = sum(of.syns for of in group.services)
    backends = [_named(context, *backend) for backend in group.backends]
    says = (SAYS_OF_ONE_DIRECTION if group.is_one_sided else SAYS).fill(
        syns=attempts,
        clients=several(group.clients),
        servers=_servers(group.services),
        translated=TRANSLATED.fill(backends=several(backends)) if backends else "",
        point=several(group.points),
        place=_place(group),
        shown=answer_text(group) + clue.says,
    )
    facts: dict[str, object] = {
        "server": group.first.address,
        "port": group.first.port,
        "clients": group.clients[:MAX_EVIDENCE],
        "point": group.points[0],
        "connections": sum(len(of.rows) for of in group.services),
        "attempts": attempts,
        "answers": group.kind,
        "is_at_server": group.is_at_server,
    }
    facts |= {"backends": backends} if backends else {}
    facts |= {"host": group.direction} if group.direction else {}
    facts |= clue.facts
    level = "error" if group.is_at_server and group.kind not in _UNCERTAIN else "warning"
    return Finding(NAME, level, says, clue.fix, facts, hop_evidence(context, group.last_rows))


def _servers(services: list[UnansweredService]) -> str:
    addresses = sorted({of.address for of in services}, key=address_value)
    if len(addresses) == 1 and len(services) > 1:
        return PORTS.fill(address=addresses[0], ports=several([str(of.port) for of in services]))
    return several([endpoint_text(of.address, of.port) for of in services])


def _named(context: Context, address: str, port: int) -> str:
    """`172.17.0.2:80 (web)`."""
    name = context.names.get(address)
    return endpoint_text(address, port) + (f" ({name})" if name else "")


def _place(group: ServiceGroup) -> str:
    if group.is_at_server:
        return AT_SERVER.fill()
    return AT_HOST[group.direction].fill() if group.direction else ""
