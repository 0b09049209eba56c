"""connection-refused: a server answers a SYN with RST.

Looks at: TCP flows with a SYN whose opposite direction, at the same point, has RST and no SYN-ACK. A client that tries
more than five ports of one address, or twenty addresses that do not accept, is a scan: an info. So is a port that
accepts a later connection: the server was starting.
Says: which address refused which ports, what is translated to it, whether it accepted connections before, and whether
the RST comes from nearer, by its TTL, than what accepts connections at the address. Where the same port answered from
behind the address before, by a smaller TTL, the address itself refuses: it no longer forwards the port. More than five
ports of one address are one sentence.
Wrong when: the SYN-ACK passed outside the capture.
Fix: start the server, let it listen on 0.0.0.0 instead of 127.0.0.1, or publish the port that it listens on. A firewall
rule that rejects with tcp-reset looks the same, but for the TTL. Where a host no longer forwards, its container has
stopped, or something has flushed Docker's rules.
Verify: `ss -ltn` in the server's network namespace; `iptables -t nat -vnL DOCKER`; `iptables -vnL` for rules with
tcp-reset.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import distinct, hash_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import INITIAL_TTLS, destination, ports, replies, reply_values
from capnet.analysis.core.results import Finding
from capnet.analysis.core.wording import Text, endpoint_text, finding_name, several
from capnet.analysis.facts.losses.scanning_clients import CLIENT, MAX_SINGLE_PORTS, is_of_scan
from capnet.analysis.facts.models.container_signs import shows_containers
from capnet.analysis.facts.nat.translations import nat_facts
from capnet.analysis.fate.next_points import chain_of
from capnet.quick_tuple import NamedTuple
from capnet.topology import PublishedPort
from capnet.wire.numbers import TCP, TCP_RST

NAME = finding_name(__name__)
LEVELS = ("info", "warning")
SCENARIO = "fault connection-refused"
WITNESS = "pcaps/bridge.pcapng"  # TCP connections that are accepted
EXPLAINS = ()

PAGE_ZH = """服务器用 RST 应答 SYN。

检查：有 SYN 的 TCP 流，在同一抓包点上反方向有 RST 而没有 SYN-ACK。客户端尝试一个地址的五个以上端口，或二十个不接受
的地址，是扫描：提示。端口后来接受了连接也是提示：服务器当时正在启动。
结论：哪个地址拒绝了哪些端口，什么被转换到它，此前是否接受过连接，以及从 TTL 看 RST 是否来自比该地址上接受连接者更近的
地方。如果此前该端口的应答 TTL 更小，即来自该地址后面，那么现在是该地址自己在拒绝：它不再转发该端口。一个地址的五个以上
端口合为一句。
误判：SYN-ACK 没有经过抓包点。
处理：启动服务器，让它监听 0.0.0.0 而不是 127.0.0.1，或发布它所监听的端口。以 tcp-reset 拒绝的防火墙规则看起来一样，
只是 TTL 不同。如果主机不再转发，则容器已停止，或 Docker 的规则被清空了。
验证：在服务器的网络命名空间中 `ss -ltn`；`iptables -t nat -vnL DOCKER`；用 `iptables -vnL` 查找带 tcp-reset 的规则。
"""

SAYS = Text(en="{address} refused connections to port {port}{more}", zh="{address} 拒绝了到端口 {port} 的连接{more}")
SAYS_PORTS = Text(
    en="{address} refused connections to {count} ports, {first} to {last}{more}",
    zh="{address} 拒绝了到 {count} 个端口（{first} 到 {last}）的连接{more}",
)
FOR = Text(en=", to which {services} is translated", zh="（由 {services} 转换而来）")
LATER = Text(en="; it accepted later ones: the server was starting", zh="；后来的连接被接受了：服务器当时正在启动")
BEFORE = Text(en="; it accepted connections before", zh="；此前的连接被接受了")
FROM_NEARER = Text(
    en="; the RST has TTL {ttl}, what accepts connections there {usual}: it comes from nearer, from a firewall or from "
    "{address} itself, if that forwards its other ports",
    zh="；RST 的 TTL 是 {ttl}，而那里接受连接者的是 {usual}：它来自更近的地方，即防火墙，或 {address} 自己"
    "（如果其他端口由它转发）",
)
NEARER = Text(
    en="; the RST has TTL {ttl}, earlier answers of the port {usual}: they came from behind {address}{backend}, and "
    "now it answers itself",
    zh="；RST 的 TTL 是 {ttl}，该端口此前的应答是 {usual}：此前的应答来自 {address} 后面{backend}，现在由它自己应答",
)
BACKEND = Text(en=" ({backend})", zh="（{backend}）")
SCAN = Text(en=", of a client that tries many", zh="，来自一个尝试许多端口的客户端")
FIX = Text(en="start the server, or publish the port it really listens on", zh="启动服务器，或发布它实际监听的端口")
ELSEWHERE_FIX = Text(
    en="start the server, or ask for the port it really listens on", zh="启动服务器，或访问它实际监听的端口"
)
FIX_FROM_NEARER = Text(
    en="check that {address} publishes or serves the port; then look for a rule with REJECT --reject-with tcp-reset, "
    "or a firewall, in front of it",
    zh="检查 {address} 是否发布或提供该端口；然后在它之前查找带 REJECT --reject-with tcp-reset 的规则或防火墙",
)
FIX_NEARER = Text(
    en="check that the container still runs and that {address} still translates the port (`docker ps`, "
    "`iptables -t nat -vnL DOCKER`): a firewall reload removes Docker's rules, `systemctl restart docker` brings them "
    "back; a rule with REJECT --reject-with tcp-reset looks the same",
    zh="检查容器是否还在运行，{address} 是否还在转换该端口（`docker ps`、`iptables -t nat -vnL DOCKER`）：重新加载防火"
    "墙会去掉 Docker 的规则，`systemctl restart docker` 会恢复；带 REJECT --reject-with tcp-reset 的规则看起来一样",
)

PUBLISHED_ELSEWHERE = Text(
    en="; {bound} alone publishes it, for container {container}",
    zh="；它只在 {bound} 上发布，属于容器 {container}",
)
FIX_PUBLISHED_ELSEWHERE = Text(
    en="publish the port at {address}, or at all addresses: `-p {port}:{inside}` in place of `-p {bound}:{inside}`",
    zh="在 {address} 或所有地址上发布该端口：用 `-p {port}:{inside}` 代替 `-p {bound}:{inside}`",
)
MAX_LISTED_PORTS = 100  # that the facts list

_ALL_ADDRESSES = ("0.0.0.0", "::", "")
_Server = tuple[str, int | None]  # address and port


class _Refusals(NamedTuple):
    """The connections to one address and port that were refused: flow rows of the answers.

    `services`: what clients asked for, where that is translated to this address and port.
    """

    rows: list[int]
    services: list[str]
    is_scan: bool
    accepted_before: bool
    accepted_later: bool


def diagnose(context: Context) -> list[Finding]:
    refusals = _refusals(context)
    ports_of: dict[tuple[str, bool], list[int | None]] = {}
    for (address, port), refused in sorted(refusals.items(), key=lambda item: (item[0][0], item[0][1] or 0)):
        ports_of.setdefault((address, refused.is_scan), []).append(port)
    return [
        _finding(context, address, group, [refusals[address, port] for port in group], is_scan)
        for address, group, is_scan in _groups(ports_of)
    ]


def _finding(
    context: Context, address: str, group: list[int | None], refusals: list[_Refusals], is_scan: bool
) -> Finding:
    rows = [row for refused in refusals for row in refused.rows]
    facts: dict[str, object] = {"address": address, "port": group[0]}
    is_later = all(refused.accepted_later for refused in refusals)
    is_before = all(refused.accepted_before for refused in refusals)
    nearer = _nearer_ttl(context, rows) if len(group) == 1 and is_before and not is_later else None
    from_nearer = None if nearer else _ttl_from_nearer(context, rows)
    services = sorted({service for refused in refusals for service in refused.services})
    asked_as = FOR.fill(services=several(services)) if services else ""
    more = SCAN.fill() if is_scan else LATER.fill() if is_later else BEFORE.fill() if is_before else ""
    if from_nearer:
        more += FROM_NEARER.fill(ttl=from_nearer[0], usual=from_nearer[1], address=address)
        facts["ttl"], facts["usual_ttl"] = from_nearer
    if nearer:
        backend = _backend(context, address, group[0])
        more = NEARER.fill(
            ttl=nearer[0], usual=nearer[1], address=address, backend=BACKEND.fill(backend=backend) if backend else ""
        )
        facts |= {"ttl": nearer[0], "usual_ttl": nearer[1], "backend": backend}
    elsewhere = _published_elsewhere(context, address, group[0]) if len(group) == 1 and not nearer else None
    if elsewhere:
        container, published = elsewhere
        bound = endpoint_text(published.host_ip, published.host_port)
        more += PUBLISHED_ELSEWHERE.fill(bound=bound, container=container)
        facts |= {"container": container, "published": bound}
    more = asked_as + more
    says = SAYS.fill(address=address, port=group[0], more=more)
    if len(group) > 1:
        facts["ports"] = group[:MAX_LISTED_PORTS]
        facts["ports_in_all"] = len(group)
        says = SAYS_PORTS.fill(address=address, count=len(group), first=group[0], last=group[-1], more=more)
    evidence = sorted(context.first_frames(rows))
    fix = (FIX if shows_containers(context) else ELSEWHERE_FIX).fill()
    if from_nearer or nearer:
        fix = (FIX_NEARER if nearer else FIX_FROM_NEARER).fill(address=address)
    if elsewhere:
        inside, port = published.container_port, published.host_port
        fix = FIX_PUBLISHED_ELSEWHERE.fill(address=address, port=port, bound=bound, inside=inside)
    level = "info" if is_scan or is_later else "warning"
    return Finding(NAME, level, says, fix, facts, evidence)


def _published_elsewhere(context: Context, address: str, port: int | None) -> tuple[str, PublishedPort] | None:
    """The container whose port this is at another address of the host, if no container publishes it at this one."""
    hosts = {owner for owner, own, _ in context.topology.addresses() if own == address} if context.topology else set()
    published = [
        (container.name, each)
        for container in (context.topology.containers if context.topology else [])
        for each in container.ports
        if container.host in hosts and each.host_port == port and each.proto == "tcp"
    ]
    if not published or {each.host_ip for _, each in published} & {*_ALL_ADDRESSES, address}:
        return None
    return published[0]


def _refusals(context: Context) -> dict[_Server, _Refusals]:
    """Server address and port → the flows that refuse."""
    flows, answers = context.flows, replies(context)
    is_new = (flows[:, schema.FLOW_PROTO] == TCP) & (flows[:, schema.FLOW_SYNS] > 0)
    accepted_at = np.where(is_new & (answers >= 0), reply_values(context, schema.FLOW_SYNACK_TIME), -1)
    is_refused = (
        is_new & (answers >= 0) & (accepted_at < 0) & (reply_values(context, schema.FLOW_TCP_FLAGS) & TCP_RST != 0)
    )
    if not is_refused.any():
        return {}
    services, is_scan = hash_of(flows, _SERVICE), is_of_scan(context, is_new, is_new & (accepted_at < 0))
    rows: dict[_Server, list[int]] = {}
    for row in np.flatnonzero(is_refused).tolist():
        rows.setdefault((destination(flows[row]), ports(flows[row])[1]), []).append(row)
    services_of = _without_translated(context, rows)
    refusals = {}
    for server, refused in rows.items():
        accepted = accepted_at[(services == services[refused[0]]) & (accepted_at >= 0)]
        first, last = flows[refused, schema.FLOW_FIRST].min(), flows[refused, schema.FLOW_FIRST].max()
        refusals[server] = _Refusals(
            answers[refused].tolist(), services_of.get(server, []), bool(is_scan[refused].all()),
            bool((accepted < first).any()), bool((accepted > last).any()),
        )  # fmt: skip
    return refusals


def _without_translated(context: Context, rows: dict[_Server, list[int]]) -> dict[_Server, list[str]]:
    """Leave out of `rows` the connections that another server of `rows` refuses after DNAT; return what it stands for.

    Such a connection is refused once, by the server that it is translated to.
    """
    chain, services_of = chain_of(context), dict[_Server, list[str]]()
    translations = nat_facts(context).of_kinds("dnat", "snat+dnat")
    ends = translations.different("before.dst", "before.dport", "after.dst", "after.dport")
    translated = [(end[:2], end[2:]) for end in ends]
    for asked, server in sorted((asked, server) for asked, server in translated if {asked, server} <= rows.keys()):
        if asked == server or asked not in rows:
            continue
        refused_behind = set(chain[rows[server]].tolist())
        own = [row for row in rows[asked] if int(chain[row]) not in refused_behind]
        if len(own) < len(rows[asked]):
            services_of.setdefault(server, []).append(endpoint_text(*asked))
            if own:
                rows[asked] = own
            else:
                del rows[asked]
    return services_of


_SERVED = ("before.dst", "before.dport", "proto", "after.dst", "after.dport")
_SERVICE = [schema.FLOW_DST_HI, schema.FLOW_DST_LO, schema.FLOW_DPORT]


def _ttl_from_nearer(context: Context, rows: list[int]) -> tuple[int, int] | None:
    """TTL of these refusals, and of all SYN-ACKs of their sender at the same point, if these passed more routers.

    From farther away, another host answers behind the address, as of a service with several backends.
    """
    flows = context.flows
    row = rows[0]
    is_sender = (flows[:, CLIENT] == flows[row, CLIENT]).all(axis=1) & (flows[:, schema.FLOW_PROTO] == TCP)
    is_sender &= flows[:, schema.FLOW_SYNACK_TIME] >= 0
    usual, ttl = distinct(flows[is_sender, schema.FLOW_TTL]).tolist(), int(flows[row, schema.FLOW_TTL])
    is_nearer = len(usual) == 1 and ttl > usual[0] and not any(usual[0] <= initial < ttl for initial in INITIAL_TTLS)
    return (ttl, usual[0]) if is_nearer else None


def _nearer_ttl(context: Context, rows: list[int]) -> tuple[int, int] | None:
    """TTL of these refusals, and of all SYN-ACKs of their port at the same point, if the refusals have one hop less."""
    flows = context.flows
    row = rows[0]
    is_port = (flows[:, CLIENT] == flows[row, CLIENT]).all(axis=1) & (flows[:, schema.FLOW_PROTO] == TCP)
    is_port &= (flows[:, schema.FLOW_SPORT] == flows[row, schema.FLOW_SPORT]) & (flows[:, schema.FLOW_SYNACK_TIME] >= 0)
    usual, ttls = distinct(flows[is_port, schema.FLOW_TTL]), distinct(flows[rows, schema.FLOW_TTL])
    is_nearer = len(usual) == 1 and int(ttls.min()) == int(usual[0]) + 1
    return (int(ttls.min()), int(usual[0])) if is_nearer else None


def _backend(context: Context, address: str, port: int | None) -> str | None:
    """Address and port that the port of an address was translated to, if that is one and was seen."""
    service = (address, port, "tcp")
    ends = nat_facts(context).of_kinds("dnat", "snat+dnat").different(*_SERVED)
    backends = {f"{backend}:{backend_port}" for *of, backend, backend_port in ends if tuple(of) == service}
    return backends.pop() if len(backends) == 1 else None


def _groups(ports_of: dict[tuple[str, bool], list[int | None]]) -> Iterator[tuple[str, list[int | None], bool]]:
    """Address and the ports that one finding is about, and whether they are those of a scan."""
    for (address, is_scan), refused in ports_of.items():
        if is_scan or len(refused) > MAX_SINGLE_PORTS:
            yield address, refused, is_scan or len(refused) > MAX_SINGLE_PORTS
        else:
            yield from ((address, [port], False) for port in refused)
