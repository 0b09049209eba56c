"""Why a port refuses: what the TTL of the RST, other addresses, the kernel and the topology tell.

Input: the address and ports that refuse, and the flows that show it. Output: `Clue`s, each the end of a sentence, facts
and a fix; the most telling one comes last.
"""

from __future__ import annotations

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.wording import Text, endpoint_text
from capnet.analysis.facts.kernel import listening_instead
from capnet.analysis.facts.outcomes.refused_connections import (
    Refusals,
    backend_of,
    is_loopback_address,
    nearer_ttl,
    other_publisher,
    ttl_from_nearer,
)
from capnet.analysis.facts.syns.refusals.meant_ports import meant_port
from capnet.analysis.facts.syns.refusals.published_for import published_for
from capnet.quick_tuple import NamedTuple

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
OTHER_FAMILY = Text(
    en="; {other} accepts it: the server listens on {family} only",
    zh="；{other} 接受该端口：服务器只监听 {family}",
)
FIX_OTHER_FAMILY = Text(
    en="ask for {other} in place of localhost, or let the server listen on {address} as well: clients that try it "
    "first lose a moment only",
    zh="用 {other} 代替 localhost，或让服务器也监听 {address}：先尝试它的客户端只损失片刻",
)
FIX_ONE_FAMILY = Text(
    en="let the server listen on {address} as well (`ss -ltn` there shows where it listens; an IPv6 socket takes IPv4, "
    "too, unless IPV6_V6ONLY or net.ipv6.bindv6only is set), or ask for {other}",
    zh="让服务器也监听 {address}（在那里 `ss -ltn` 显示它监听何处；除非设置了 IPV6_V6ONLY 或 net.ipv6.bindv6only，IPv6 "
    "套接字也接受 IPv4），或访问 {other}",
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


class Clue(NamedTuple):
    """Something that tells why a port refuses."""

    says: str
    facts: dict[str, object]
    fix: str
    says_all: bool = False  # nothing that was known before need be said


def clues_of(
    context: Context, address: str, group: list[int | None], refusals: list[Refusals], has_changed: bool
) -> list[Clue]:
    """What tells why, the most telling last. `has_changed`: connections were accepted before, and none since."""
    rows = [row for refused in refusals for row in refused.rows]
    if len(group) > 1:
        return list(filter(None, [_from_nearer(context, address, rows)]))
    own_answer = _own_answer(context, address, group[0], rows) if has_changed else None
    return [
        clue
        for clue in (
            own_answer or _from_nearer(context, address, rows),
            None if own_answer else _published_elsewhere(context, address, group[0]),
            _other_family(address, refusals[0].other_family),
        )
        if clue
    ]


def _from_nearer(context: Context, address: str, rows: list[int]) -> Clue | None:
    """The RST comes from nearer than what accepts connections there."""
    if not (ttls := ttl_from_nearer(context, rows)):
        return None
    ttl, usual = ttls
    says = FROM_NEARER.fill(ttl=ttl, usual=usual, address=address)
    return Clue(says, {"ttl": ttl, "usual_ttl": usual}, FIX_FROM_NEARER.fill(address=address))


def _own_answer(context: Context, address: str, port: int | None, rows: list[int]) -> Clue | None:
    """The answers came from behind the address before, and now it refuses itself."""
    if not (ttls := nearer_ttl(context, rows)):
        return None
    (ttl, usual), backend = ttls, backend_of(context, address, port)
    behind = BACKEND.fill(backend=backend) if backend else ""
    says = NEARER.fill(ttl=ttl, usual=usual, address=address, backend=behind)
    facts: dict[str, object] = {"ttl": ttl, "usual_ttl": usual, "backend": backend}
    return Clue(says, facts, FIX_NEARER.fill(address=address), says_all=True)


def _published_elsewhere(context: Context, address: str, port: int | None) -> Clue | None:
    if not (publisher := other_publisher(context, address, port)):
        return None
    container, at = publisher
    bound = endpoint_text(at.host_ip, at.host_port)
    return Clue(
        PUBLISHED_ELSEWHERE.fill(bound=bound, container=container),
        {"container": container, "published": bound},
        FIX_PUBLISHED_ELSEWHERE.fill(address=address, port=at.host_port, bound=bound, inside=at.container_port),
    )


def _other_family(address: str, other: str) -> Clue | None:
    """The same server accepts the port at its address of the other family, `other`."""
    if not other:
        return None
    fix = FIX_OTHER_FAMILY if is_loopback_address(address) else FIX_ONE_FAMILY
    says = OTHER_FAMILY.fill(other=other, family="IPv6" if ":" in other else "IPv4")
    return Clue(says, {"accepted_by": other}, fix.fill(other=other, address=address), says_all=True)


def listening_clues(
    context: Context, address: str, port: int | None, rows: list[int], services: list[str]
) -> list[Clue]:
    """What listens at the address instead, by the kernel of its namespace, and what was meant, by the topology.

    `services`: what a host translates to the port, so that its number was not asked for.
    """
    if port is None:
        return []
    if misled := published_for(context.topology, services, address):
        return [Clue(misled.says, misled.facts, misled.fix)]
    points = {context.points[int(context.flows[row, schema.FLOW_POINT])].name for row in rows}
    listening = listening_instead(context, "tcp", address, port, points) if context.witnesses is not None else None
    is_clear = bool(services) or (listening is not None and listening.is_found)
    is_loopback = is_loopback_address(address)
    meant = None if is_clear else meant_port(context, address, port, points, is_loopback=is_loopback)
    return [Clue(of.says, of.facts, of.fix) for of in (listening, meant) if of]
