"""handshake-unfinished: a server answers SYNs, and its client never goes on.

Looks at: TCP flows of SYNs alone that are sent again a second or more after the first SYN-ACK, of which two or more
came (`facts.losses.unfinished_handshakes`): the answers are lost on their way back, or the client drops them. A client
that gives up sooner connects again: three or more times in a row, over 2 s or more. Not clients that scan.
Says: which server answers whom, where the answers were last seen, and which point lacks them; or that they reach the
client, and whether their checksums are wrong, while those that clients take are right; or whether they go to another
gateway than the one from which the SYNs came, or leave their host by another interface, or come back to the client's
host by another one; or who rejects them with an ICMP error. An error if the next point lacks them, or they are at the
client's own interface, or the checksum is the cause, or another host than the client rejects them; else a warning.
Wrong when: the client's ACK took a way that was not captured.
Fix: look for what drops answers between the two points, or at the client: a firewall without state of the connection, a
wrong checksum, rp_filter.
Verify: `nstat -az TcpInCsumErrors TcpExtIPReversePathFilter` and `iptables -vnL` at the client; `ethtool -k IFACE` at
the server's host.
"""

from __future__ import annotations

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import source
from capnet.analysis.core.results import MAX_EVIDENCE, Evidence, Finding
from capnet.analysis.core.wording import Text, endpoint_text, finding_name, several
from capnet.analysis.facts.clues import Clue, first_of, joined
from capnet.analysis.facts.losses.stopped_flows import hop_evidence
from capnet.analysis.facts.losses.unfinished_handshakes import UnfinishedHandshake, unfinished_handshakes
from capnet.analysis.facts.naming import station_text
from capnet.analysis.facts.ways import rejected_answers
from capnet.analysis.fate.verdict.other_way import container_of_points
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_value

NAME = finding_name(__name__)
LEVELS = ("error", "warning")
SCENARIO = "fault handshake-unfinished"
WITNESS = "pcaps/bridge.pcapng"  # every handshake is finished
EXPLAINS = ("firewall-rejected", "host-unreachable", "packet-loss", "retransmissions", "stops-between")

PAGE_ZH = """服务器应答了 SYN，而客户端一直没有继续。

检查：只有 SYN 的 TCP 流，在第一个 SYN-ACK 之后一秒或更久又重发，且 SYN-ACK 来了两个以上
（`facts.losses.unfinished_handshakes`）：应答在返回途中丢失，或被客户端丢弃。更早放弃的客户端会重新连接：在 2 秒以上的
时间里接连三次或更多。不包括扫描的客户端。
结论：哪个服务器应答了谁，应答最后见于哪里，哪个抓包点没有它们；或者它们到达了客户端，以及它们的校验和是否有误而客户端
接受的那些是正确的；或者它们发往的网关不是 SYN 来的那个，或从主机的另一个接口离开，或从客户端主机的另一个接口回来；或谁
用 ICMP 错误拒绝了它们。如果下一个抓包点没有它们，或它们已在客户端自己的接口上，或原因是校验和，或客户端以外的主机拒绝了
它们，为错误；否则为警告。
误判：客户端的 ACK 走了没有抓包的路。
处理：查找两个抓包点之间或客户端上是什么丢弃了应答：没有连接状态的防火墙、错误的校验和、rp_filter。
验证：在客户端上 `nstat -az TcpInCsumErrors TcpExtIPReversePathFilter` 和 `iptables -vnL`；在服务器所在主机上
`ethtool -k IFACE`。
"""

STOPS = Text(
    en="{server} answers the SYNs of {clients}, and the answers are lost: {answers:SYN-ACK} reach {point}, none "
    "reaches {next}, and both sides repeat",
    zh="{server} 应答了 {clients} 的 SYN，但应答丢失了：{answers} 个 SYN-ACK 到达 {point}，没有一个到达 {next}，"
    "双方都在重发",
)
ELSEWHERE = Text(
    en="{server} answers the SYNs of {clients}, and the answers take another way: the SYNs came in by {next}, and "
    "{answers:SYN-ACK} leave by {elsewhere}; both sides repeat",
    zh="{server} 应答了 {clients} 的 SYN，但应答走了另一条路：SYN 从 {next} 进来，而 {answers} 个 SYN-ACK 从 "
    "{elsewhere} 离开；双方都在重发",
)
CHECKSUM = Text(
    en="{server} answers the SYNs of {clients}, and the answers are damaged: {answers:SYN-ACK} at {point} have a "
    "checksum that is {verdict}, so the receiver drops them, and both sides repeat",
    zh="{server} 应答了 {clients} 的 SYN，但应答已损坏：{point} 上的 {answers} 个 SYN-ACK 的校验和{verdict}，因此接收方"
    "丢弃它们，双方都在重发",
)
UNFILLED = Text(en="not filled in", zh="没有填写")
WRONG = Text(en="wrong", zh="错误")
RETURNS = Text(
    en="{server} answers the SYNs of {clients}, and the answers come back another way: the SYNs leave by {next}, and "
    "{answers:SYN-ACK} come in by {elsewhere}, where this host drops them; both sides repeat",
    zh="{server} 应答了 {clients} 的 SYN，但应答从另一条路回来：SYN 从 {next} 离开，而 {answers} 个 SYN-ACK 从 "
    "{elsewhere} 进来，并被该主机丢弃；双方都在重发",
)
SEEN = Text(
    en="{server} answers the SYNs of {clients}, and the answers take another way: the SYNs were last seen at {next}, "
    "{answers:SYN-ACK} at {elsewhere} only; both sides repeat",
    zh="{server} 应答了 {clients} 的 SYN，但应答走了另一条路：SYN 最后见于 {next}，而 {answers} 个 SYN-ACK 只见于 "
    "{elsewhere}；双方都在重发",
)
IGNORED = Text(
    en="{server} answers the SYNs of {clients} in vain: {answers:SYN-ACK} are seen at {point}{place}, and the SYNs go "
    "on",
    zh="{server} 徒然应答了 {clients} 的 SYN：在 {point}{place} 看到 {answers} 个 SYN-ACK，而 SYN 仍在继续",
)
OTHER_WAY = Text(
    en="; the SYNs came from {came_from} there, and the answers go to {goes_to}: by another gateway",
    zh="；SYN 在那里来自 {came_from}，而应答发往 {goes_to}：网关不同",
)
AT_CLIENT = Text(en=", the client's own interface", zh="（客户端自己的接口）")
FIX_STOPS = Text(
    en="look for what drops between {point} and {next} on the way back: a firewall that did not see the SYN, a filter "
    "by source port, the route to {client}",
    zh="查找回程上 {point} 和 {next} 之间是什么丢弃了它们：没有看到 SYN 的防火墙、按源端口的过滤、到 {client} 的路由",
)
FIX_ELSEWHERE = Text(
    en="correct the route to {client} on that host: `ip route get {client}` and `ip rule` must lead back to {next}, "
    "not to {elsewhere} (a VPN may have added a network that overlaps; a host with two cards needs a rule for what its "
    "second address sends: `ip rule add from {server} table N`)",
    zh="更正该主机上到 {client} 的路由：`ip route get {client}` 和 `ip rule` 应指回 {next}，而不是 {elsewhere}（可能是 "
    "VPN 加入了重叠的网段；有两块网卡的主机需要为第二个地址发出的包加规则：`ip rule add from {server} table N`）",
)
FIX_TRANSLATED = Text(
    en="correct the route to {client} on that host: answers of {inside} are routed before they are translated back to "
    "{server}, so `ip route get {client} from {inside} iif BRIDGE` must lead to {next}, not to {elsewhere}: `ip rule "
    "add from {inside} table N`, or mark the connections that come in by {next} (`-j CONNMARK`) and route by the mark",
    zh="更正该主机上到 {client} 的路由：{inside} 的应答在转换回 {server} 之前就已选路，所以 `ip route get {client} from"
    " {inside} iif BRIDGE` 应指向 {next}，而不是 {elsewhere}：`ip rule add from {inside} table N`，或给从 {next} 进来的"
    "连接打标记（`-j CONNMARK`）并按标记选路",
)
FIX_IN_CONTAINER = Text(
    en="give {container} a route to {client} by {interface}: `ip route get {client}` in its namespace shows the one "
    "that it takes. What runs its VPN often has a setting for networks outside of the tunnel, such as "
    "FIREWALL_OUTBOUND_SUBNETS of gluetun; a published port that many ask wants policy routing there: answers of the "
    "address of {interface} by {interface} (`ip rule add from ADDRESS table N`)",
    zh="为 {container} 添加经 {interface} 到 {client} 的路由：在它的命名空间中 `ip route get {client}` 显示现在走哪条。"
    "运行其 VPN 的程序通常有不走隧道的网段的设置，例如 gluetun 的 FIREWALL_OUTBOUND_SUBNETS；许多客户端访问的映射端口"
    "需要策略路由：让 {interface} 地址的应答从 {interface} 发出（`ip rule add from ADDRESS table N`）",
)
FIX_RETURNS = Text(
    en="let the answers come back by {next}: the route to {client} on the routers behind, or the address to which this "
    "host translates; else let this host take them: `sysctl net.ipv4.conf.all.rp_filter` (2), rules that drop state "
    "INVALID or NEW without SYN (`iptables -vnL FORWARD` counts), conntrack zones (`iptables -t raw -vnL`)",
    zh="让应答从 {next} 回来：检查后面各路由器到 {client} 的路由，或该主机转换成的地址；否则让该主机接受它们："
    "`sysctl net.ipv4.conf.all.rp_filter`（2）、丢弃 INVALID 状态或没有 SYN 的 NEW 状态的规则（`iptables -vnL FORWARD` "
    "有计数）、conntrack zone（`iptables -t raw -vnL`）",
)
FIX_SEEN = Text(
    en="let both directions take one way: compare the routes (`ip route get {client}` at {server}, `ip rule`); a "
    "firewall with state that sees one direction only drops it",
    zh="让两个方向走同一条路：比较路由（在 {server} 上 `ip route get {client}`、`ip rule`）；只看到一个方向的有状态防火"
    "墙会丢弃它",
)
FIX_OTHER_WAY = Text(
    en="let the answers go back the way the SYNs came: a route to {client} by {came_from} on the host of {server} (`ip "
    "route get {client}`), or masquerade at {came_from}. A firewall with state at {goes_to} drops answers to SYNs that "
    "it did not see",
    zh="让应答沿 SYN 来的路返回：在 {server} 所在主机上加一条经 {came_from} 到 {client} 的路由（`ip route get {client}`"
    "），或在 {came_from} 上做 MASQUERADE；{goes_to} 上有状态的防火墙会丢弃它没有看到 SYN 的应答",
)
FIX_CHECKSUM = Text(
    en="turn checksum offload off where the answers leave: `ethtool -K IFACE tx off` on the card of the server's host, "
    "or of the virtual machine; update its driver",
    zh="在应答离开的地方关闭校验和卸载：在服务器所在主机（或虚拟机）的网卡上执行 `ethtool -K IFACE tx off`；更新其驱动",
)
FIX_BEHIND = Text(
    en="capture nearer to {client}: the answers are lost behind {point}, or {client} drops them (`iptables -vnL "
    "INPUT`, `nstat -az TcpInCsumErrors TcpExtIPReversePathFilter`)",
    zh="在离 {client} 更近处抓包：应答在 {point} 之后丢失，或被 {client} 丢弃（`iptables -vnL INPUT`、`nstat -az "
    "TcpInCsumErrors TcpExtIPReversePathFilter`）",
)
FIX_IGNORED = Text(
    en="look at {client} for what drops answers that arrive: `iptables -vnL INPUT`, rp_filter, wrong checksums "
    "(`nstat -az TcpInCsumErrors TcpExtIPReversePathFilter`)",
    zh="在 {client} 上查找是什么丢弃了到达的应答：`iptables -vnL INPUT`、rp_filter、错误的校验和（`nstat -az "
    "TcpInCsumErrors TcpExtIPReversePathFilter`）",
)

_OTHER_WAYS = {"leave": (ELSEWHERE, FIX_ELSEWHERE), "return": (RETURNS, FIX_RETURNS), "seen": (SEEN, FIX_SEEN)}


class _Answers(NamedTuple):
    """The SYN-ACKs of an unfinished handshake, and the names of the points that show them or should."""

    handshake: UnfinishedHandshake
    clients: list[str]
    packets: int
    point: str  # where they were last seen
    next_point: str | None  # that lacks them
    elsewhere: str | None  # where they go on instead
    rejected: rejected_answers.RejectedAnswers | None

    @property
    def is_damaged(self) -> bool:
        """Are their checksums the cause?"""
        return self.handshake.verdict != schema.RIGHT

    def clue(self, says: Text, fix: Text, **more: object) -> Clue:
        """A sentence and a next step about them."""
        server, port = self.handshake.server, self.handshake.port
        places = {"point": self.point, "next": self.next_point, "elsewhere": self.elsewhere, **more}
        return Clue(
            fix.fill(server=server, client=self.clients[0], **places),
            says.fill(
                server=endpoint_text(server, port), clients=several(self.clients), answers=self.packets, **places
            ),
        )


def diagnose(context: Context) -> list[Finding]:
    return [_finding(context, _answers(context, handshake)) for handshake in unfinished_handshakes(context)]


def _answers(context: Context, handshake: UnfinishedHandshake) -> _Answers:
    flows = context.flows
    point = int(flows[handshake.answers[0], schema.FLOW_POINT])
    names = {index: context.points[index].name for index in (point, handshake.due, handshake.elsewhere) if index >= 0}
    next_point = names.get(handshake.due)
    return _Answers(
        handshake,
        clients=sorted({source(flows[row]) for row in handshake.rows}, key=address_value),
        packets=int(flows[handshake.answers, schema.FLOW_PACKETS].sum()),
        point=names[point],
        next_point=next_point if next_point != names[point] else None,  # a trunk or a mirror, of both sides of a router
        elsewhere=names.get(handshake.elsewhere),
        rejected=rejected_answers.rejected_answers(context, handshake.answers),
    )


def _finding(context: Context, answers: _Answers) -> Finding:
    handshake, clue = answers.handshake, _clue_of(context, answers)
    is_certain = bool(answers.next_point or answers.is_damaged or handshake.is_at_client)
    is_certain |= answers.rejected is not None and answers.rejected.sender not in answers.clients
    syns = hop_evidence(context, handshake.last_rows)
    facts = {
        "server": handshake.server,
        "port": handshake.port,
        "point": answers.point,
        "next": answers.next_point,
        "clients": answers.clients[:MAX_EVIDENCE],
        "connections": len(handshake.rows),
        "answers": answers.packets,
        "is_checksum_bad": answers.is_damaged,
    }
    facts |= {"elsewhere": answers.elsewhere} if answers.elsewhere else {}
    rejections: tuple[Evidence, ...] = ()
    if answers.rejected:
        facts |= {"rejected_by": answers.rejected.sender, "message": answers.rejected.message}
        rejections = tuple(answers.rejected.evidence)
    evidence = sorted({*syns, *context.first_frames(handshake.answers), *rejections})
    return Finding(NAME, "error" if is_certain else "warning", clue.says, clue.fix, facts, evidence)


def _clue_of(context: Context, answers: _Answers) -> Clue:
    """Where the answers end; where they turn off to another gateway before, the next step is there."""
    end = _END(context, answers) or _lost_behind(answers)
    gateway = _another_gateway(context, answers)
    return joined([end, gateway]) if gateway else end


def _another_way(context: Context, answers: _Answers) -> Clue | None:
    """They leave, or come back, by another interface."""
    handshake = answers.handshake
    if answers.elsewhere is None:
        return None
    says, fix = _OTHER_WAYS[handshake.other_way]
    container = container_of_points(context, handshake.due, handshake.elsewhere)
    if container is None or handshake.other_way != "leave":
        inside = source(context.flows[handshake.answers[0]])
        is_translated = handshake.other_way == "leave" and inside != handshake.server
        return answers.clue(says, FIX_TRANSLATED if is_translated else fix, inside=inside)
    interface = answers.next_point and answers.next_point.rpartition("/")[2]
    return answers.clue(says, FIX_IN_CONTAINER, container=container, interface=interface)


def _rejected(context: Context, answers: _Answers) -> Clue | None:
    rejected = answers.rejected
    return answers.clue(rejected_answers.SAYS, rejected.fix_of(answers.clients), **rejected.words) if rejected else None


def _lost_before_next_point(context: Context, answers: _Answers) -> Clue | None:
    return answers.clue(STOPS, FIX_STOPS) if answers.next_point else None


def _damaged(context: Context, answers: _Answers) -> Clue | None:
    if not answers.is_damaged:
        return None
    verdict = UNFILLED if answers.handshake.verdict == schema.UNFILLED else WRONG
    return answers.clue(CHECKSUM, FIX_CHECKSUM, verdict=verdict.fill())


def _dropped_by_client(context: Context, answers: _Answers) -> Clue | None:
    return answers.clue(IGNORED, FIX_IGNORED, place=AT_CLIENT.fill()) if answers.handshake.is_at_client else None


def _lost_behind(answers: _Answers) -> Clue:
    """What remains: they are lost behind the point, or dropped by the client."""
    return answers.clue(IGNORED, FIX_BEHIND, place="")


def _another_gateway(context: Context, answers: _Answers) -> Clue | None:
    """They go to another router than the one from which the SYNs came."""
    came_from, goes_to = answers.handshake.gateways
    if came_from <= 0 or answers.is_damaged or answers.handshake.is_at_client:
        return None
    gateways = {"came_from": station_text(context, came_from), "goes_to": station_text(context, goes_to)}
    return answers.clue(OTHER_WAY, FIX_OTHER_WAY, **gateways)


# Where the answers end, the most telling first: that they are elsewhere explains why a point lacks them.
_END = first_of(_another_way, _rejected, _lost_before_next_point, _damaged, _dropped_by_client)
