"""connection-refused: a server answers a SYN with RST.

Looks at: TCP flows with a SYN whose opposite direction, at the same point, has RST and no SYN-ACK. Not those of a scan
(`port-scan`). An info are:
- what a client tries once or twice that asks for twenty neighbours that are not there;
- a server that was starting: its port accepts a later connection, and refused none since one was accepted;
- what several addresses of the Internet try that do nothing else, a port or two each;
- a port that ::1 refuses while 127.0.0.1 accepts: the server listens on IPv4 only.
Says: which address refused which ports, and what is translated to it. More than five ports of one address are one
sentence, and so are 127.0.0.1 and ::1, which localhost is both. As far as it is known:
- whether it accepted connections before, or between those of one client that it refused, as of a service of which one
  server fails;
- that the requests do not reach a point where others of the address went on: a firewall before it refuses them;
- whether the RST comes from nearer, by its TTL, than what accepts connections at the address;
- that the address itself refuses, and no longer forwards the port, where that answered from behind it before;
- the address of the other family where the same MAC accepts the port;
- on which addresses and ports programs listen in the namespace that refuses, or that none does, by its witnesses;
- what was meant, by the topology: a container's port inside in place of the host's, a container in place of localhost,
  or that Docker publishes nothing on such a network (`facts.syns.refusals.meant_ports`);
- that a rule leads a published port to another container than the one that Docker publishes it for.
Wrong when: the SYN-ACK passed outside the capture.
Fix: start the server, let it listen on 0.0.0.0 instead of 127.0.0.1, or publish the port that it listens on. A firewall
rule that rejects with tcp-reset looks the same, but for the TTL. Where a host no longer forwards, its container has
stopped, or something has flushed Docker's rules.
Verify: `ss -ltn` in the server's network namespace; `iptables -t nat -vnL DOCKER`; `iptables -vnL` for rules with
tcp-reset.
"""

from __future__ import annotations

from collections.abc import Iterator

from capnet.analysis.core.context import Context, with_name
from capnet.analysis.core.flow_rows import destination
from capnet.analysis.core.results import Finding
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.facts.losses.scanning_clients import MAX_SINGLE_PORTS
from capnet.analysis.facts.models.container_signs import shows_containers
from capnet.analysis.facts.outcomes.refused_connections import is_loopback_address, refused_connections
from capnet.analysis.facts.syns.refusals.refusal_clues import clue_of
from capnet.analysis.facts.syns.refusals.refused_ports import RefusedPorts
from capnet.topology.lookup import endpoints

NAME = finding_name(__name__)
LEVELS = ("info", "warning")
SCENARIO = "fault connection-refused"
WITNESS = "pcaps/bridge.pcapng"  # TCP connections that are accepted
EXPLAINS = ()

PAGE_ZH = """服务器用 RST 应答 SYN。

检查：有 SYN 的 TCP 流，在同一抓包点上反方向有 RST 而没有 SYN-ACK；不包括扫描（`port-scan`）。以下为提示：
- 询问二十个不存在的邻居的客户端各尝试一两次的端口；
- 服务器当时正在启动：端口后来接受了连接，此后不再拒绝；
- 互联网上几个什么别的也不做的地址各试一两个端口；
- ::1 拒绝而 127.0.0.1 接受的端口：服务器只监听 IPv4。
结论：哪个地址拒绝了哪些端口，什么被转换到它。一个地址的五个以上端口合为一句，127.0.0.1 和 ::1 也合为一句。只要能知道，
还会说明：
- 此前是否接受过连接，或在拒绝同一客户端的连接之间是否接受过，如一个服务中有一台服务器失效；
- 这些连接没有到达同一地址的其他流通过的抓包点：拒绝它们的是之前的防火墙；
- 从 TTL 看，RST 是否来自比该地址上接受连接者更近的地方；
- 该地址自己在拒绝，不再转发该端口：此前该端口的应答来自它的后面；
- 同一 MAC 在另一地址族的哪个地址上接受该端口；
- 按拒绝者所在命名空间的见证，其中的程序监听哪些地址和端口，或没有程序监听；
- 按拓扑，要访问的是什么：容器自己的端口而不是主机的，另一个容器而不是 localhost，或 Docker 在这种网络上不发布端口
  （`facts.syns.refusals.meant_ports`）；
- 有规则把发布的端口转换到别的容器，而不是 Docker 为其发布的那个。
误判：SYN-ACK 没有经过抓包点。
处理：启动服务器，让它监听 0.0.0.0 而不是 127.0.0.1，或发布它所监听的端口。以 tcp-reset 拒绝的防火墙规则看起来一样，
只是 TTL 不同。如果主机不再转发，则容器已停止，或 Docker 的规则被清空了。
验证：在服务器的网络命名空间中 `ss -ltn`；`iptables -t nat -vnL DOCKER`；用 `iptables -vnL` 查找带 tcp-reset 的规则。
"""

SAYS = Text(en="{address} refused connections to port {port}{more}", zh="{address} 拒绝了到端口 {port} 的连接{more}")
SAYS_FEW = Text(
    en="{address} refused connections to the ports {ports}{more}", zh="{address} 拒绝了到端口 {ports} 的连接{more}"
)
SAYS_PORTS = Text(
    en="{address} refused connections to {count} ports, {first} to {last}{more}",
    zh="{address} 拒绝了到 {count} 个端口（{first} 到 {last}）的连接{more}",
)
FOR = Text(en=", to which {services} is translated", zh="（由 {services} 转换而来）")
LATER = Text(en="; it accepted later ones: the server was starting", zh="；后来的连接被接受了：服务器当时正在启动")
BEFORE = Text(en="; it accepted connections before", zh="；此前的连接被接受了")
BETWEEN = Text(
    en="; between these, it accepted {count:connection} of the same client",
    zh="；在这些连接之间，它接受了同一客户端的 {count} 个连接",
)
SCAN = Text(en=", of a client that tries many", zh="，来自一个到处尝试连接的客户端")
FIX_SCAN = Text(
    en="none is needed for an inventory or a monitor; else find the program that scans on the client",
    zh="如果是清点或监控程序，则无需处理；否则在客户端上找出扫描的程序",
)
STRANGERS = Text(
    en=", of {count} {count:address|addresses} of the Internet that {count:does|do} nothing else here: scanners",
    zh="，来自互联网上 {count} 个在这里什么别的也不做的地址：扫描者",
)
FIX_STRANGERS = Text(
    en="nothing has to listen there: a rule that drops them (`iptables -A INPUT -j DROP` at the end) hides them",
    zh="那里不需要有程序监听：用丢弃规则（在末尾 `iptables -A INPUT -j DROP`）可以隐藏关闭的端口",
)
FIX_BETWEEN = Text(
    en="if the address is that of a service, one of the servers behind it does not listen: compare them with those "
    "that run (`kubectl get endpointslices -A`, `docker service ps`, `ipvsadm -Ln`, `iptables -t nat -vnL`); else look "
    "for a server that is restarted again and again",
    zh="如果该地址是一个服务的地址，则它后面有一个服务器没有监听：与正在运行的比较（`kubectl get endpointslices -A`、"
    "`docker service ps`、`ipvsadm -Ln`、`iptables -t nat -vnL`）；否则查找反复重启的服务器",
)
FIX = Text(en="start the server, or publish the port it really listens on", zh="启动服务器，或发布它实际监听的端口")
FIX_CONTAINER = Text(
    en="start the server in {container}, or let it listen on 0.0.0.0: at 127.0.0.1 alone it refuses other containers; "
    "`capnet capture {container} --report` says what listens there",
    zh="启动 {container} 中的服务器，或让它监听 0.0.0.0：只监听 127.0.0.1 会拒绝其他容器；`capnet capture {container} "
    "--report` 会说明其中有什么在监听",
)
ELSEWHERE_FIX = Text(
    en="start the server, or ask for the port it really listens on", zh="启动服务器，或访问它实际监听的端口"
)

MAX_NAMED_PORTS = 4  # in a sentence
MAX_LISTED_PORTS = 100  # that the facts list
MIN_TRIED = 3  # ports that strangers try, and strangers: one may be a lost client


def diagnose(context: Context) -> list[Finding]:
    refusals = refused_connections(context)
    tried = [server for server, refused in refusals.items() if refused.strangers]
    are_scanned = len(tried) >= MIN_TRIED and sum(refusals[server].strangers for server in tried) >= MIN_TRIED
    ports_of: dict[tuple[str, bool], list[int | None]] = {}
    by_strangers: dict[str, list[int | None]] = {}
    for (address, port), refused in sorted(refusals.items(), key=lambda item: (item[0][0], item[0][1] or 0)):
        if address == "::1" and ("127.0.0.1", port) in refusals:
            continue  # localhost has both addresses, and programs try one after the other
        if refused.is_in_port_scan:
            continue  # `port-scan` says so
        if are_scanned and refused.strangers and not refused.is_scan:
            by_strangers.setdefault(address, []).append(port)
        else:
            ports_of.setdefault((address, refused.is_scan), []).append(port)
    findings = [
        _finding(context, RefusedPorts(address, ports, [refusals[address, port] for port in ports], is_scan))
        for address, ports, is_scan in _groups(ports_of)
    ]
    return findings + [
        _of_strangers(context, RefusedPorts(address, ports, [refusals[address, port] for port in ports], is_scan=False))
        for address, ports in by_strangers.items()
    ]


def _of_strangers(context: Context, refused: RefusedPorts) -> Finding:
    strangers = len({destination(context.flows[row]) for row in refused.rows})
    says = _says(refused.address, refused.ports, STRANGERS.fill(count=strangers))
    facts = {"address": refused.address, "port": refused.port, "strangers": strangers, **_listed(refused.ports)}
    return Finding(NAME, "info", says, FIX_STRANGERS.fill(), facts, sorted(context.first_frames(refused.rows)))


def _finding(context: Context, refused: RefusedPorts) -> Finding:
    clue = clue_of(context, refused)
    more = _other_connections(refused)
    facts: dict[str, object] = {"address": refused.address, "port": refused.port}
    facts |= {"accepted_between": refused.accepted_between} if refused.accepted_between else {}
    if clue:
        more = clue.says if clue.says_all else more + clue.says
        facts |= clue.facts
    if refused.services:
        more = FOR.fill(services=several(refused.services)) + more
    is_tried_first = "accepted_by" in facts and is_loopback_address(refused.address)
    return Finding(
        NAME,
        "info" if refused.is_scan or refused.accepted_later or is_tried_first else "warning",
        _says(with_name(context, refused.address), refused.ports, more),
        clue.fix if clue else _fix(context, refused),
        facts | _listed(refused.ports),
        sorted(context.first_frames(refused.rows)),
    )


def _other_connections(refused: RefusedPorts) -> str:
    """Whether the ports accept other connections, and when."""
    if refused.is_scan:
        return SCAN.fill()
    if refused.accepted_between:
        return BETWEEN.fill(count=refused.accepted_between)
    if refused.accepted_later:
        return LATER.fill()
    return BEFORE.fill() if refused.accepted_before else ""


def _fix(context: Context, refused: RefusedPorts) -> str:
    """The next step without a clue."""
    if refused.is_scan:
        return FIX_SCAN.fill()
    if refused.accepted_between:
        return FIX_BETWEEN.fill()
    if not refused.services and (container := _container(context, refused.address)):
        return FIX_CONTAINER.fill(container=container)
    may_be_published = shows_containers(context) and not is_loopback_address(refused.address)
    return (FIX if may_be_published else ELSEWHERE_FIX).fill()


def _container(context: Context, address: str) -> str | None:
    """The only container that has the address, which no published port leads to."""
    owners = {
        container.name
        for container, endpoint in (endpoints(context.topology) if context.topology else ())
        if address in endpoint.ips
    }
    return owners.pop() if len(owners) == 1 else None


def _says(address: str, group: list[int | None], more: str) -> str:
    """The sentence about one port, or about several of an address."""
    if len(group) == 1:
        return SAYS.fill(address=address, port=group[0], more=more)
    if len(group) <= MAX_NAMED_PORTS:
        return SAYS_FEW.fill(address=address, ports=several([str(port) for port in group]), more=more)
    return SAYS_PORTS.fill(address=address, count=len(group), first=group[0], last=group[-1], more=more)


def _listed(group: list[int | None]) -> dict[str, object]:
    """What the facts say of several ports."""
    return {"ports": group[:MAX_LISTED_PORTS], "ports_in_all": len(group)} if len(group) > 1 else {}


def _groups(ports_of: dict[tuple[str, bool], list[int | None]]) -> Iterator[tuple[str, list[int | None], bool]]:
    """Address and the ports that one finding is about, and whether they are those of a scan."""
    for (address, is_scan), refused in ports_of.items():
        if is_scan or len(refused) > MAX_SINGLE_PORTS:
            yield address, refused, is_scan
        else:
            yield from ((address, [port], False) for port in refused)
