"""subnet-overlap: a client outside has an address of a network that the host believes to be its own.

Looks at: addresses whose packets come to a host or container from behind a router, or by another interface, and that
it looks for by ARP or Neighbor Discovery on its own link, in vain (`facts.neighbours.on_link_lookups`). And addresses
that a container looks for on its link in vain, while they answer its host at its card
(`facts.neighbours.covered_addresses`): a name server in a cloud, say, whose network Docker's network covers.
Says: which clients, where their packets come in, who looks for them, at which point.
Wrong when: the client is meant to be on that link, and its packets take the way by a router only because its own
netmask is too small.
Fix: take other networks for Docker ("bip", "default-address-pools"), or a smaller netmask.
Verify: `ip route get CLIENT` on the host names the bridge instead of the NIC; `docker network inspect NETWORK`.
"""

from __future__ import annotations

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import host_of
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.neighbours.covered_addresses import Covered, covered_addresses
from capnet.analysis.facts.neighbours.on_link_lookups import Lookup, is_missing_proxy, on_link_lookups
from capnet.wire.addresses import address_value

NAME = finding_name(__name__)
LEVELS = ("error",)
SCENARIO = "fault subnet-overlap"
WITNESS = "pcaps/bridge.pcapng"  # clients of another network, whom the host reaches by its route
EXPLAINS = (
    "arp-unanswered", "connection-unanswered", "handshake-unfinished", "host-unreachable", "no-return-route",
    "published-port-blocked", "retransmissions", "stops-between",
)  # fmt: skip

PAGE_ZH = """外部客户端的地址属于主机认为是自己的网络。

检查：其包从路由器后面或经另一个接口到达主机或容器，而主机在自己的链路上用 ARP 或邻居发现查找它们、没有应答的地址
（`facts.neighbours.on_link_lookups`）。以及容器在自己的链路上查找而无应答、同时在网卡处应答其主机的地址
（`facts.neighbours.covered_addresses`），例如云中的域名服务器，其网络被 Docker 的网络覆盖。
结论：哪些客户端，它们的包从哪里进来，谁在哪个抓包点查找它们。
误判：客户端本来就应在该链路上，只因它自己的掩码太小才经过路由器。
处理：给 Docker 换网段（"bip"、"default-address-pools"），或用较小的网段。
验证：在该主机上 `ip route get CLIENT` 显示的是网桥而不是网卡；`docker network inspect NETWORK`。
"""

SAYS = Text(
    en="packets of {clients} come in at {arrival}, but {askers} asked for that address on {link} {requests:time} in "
    "vain: its network overlaps with the one of {link}, and answers to it never leave",
    zh="{clients} 的包从 {arrival} 进来，但 {askers} 在 {link} 上询问该地址 {requests} 次而无应答：它的网络与 {link}"
    " 的网络重叠，给它的应答出不去",
)
SAYS_COVERED = Text(
    en="{askers} asked for {address} on {link} {requests:time} in vain, and this address answers the host at {card}: "
    "the network of {link} covers addresses that are in use behind {card}, and packets to them never leave",
    zh="{askers} 在 {link} 上询问 {address} 共 {requests} 次而无应答，而该地址在 {card} 处应答主机：{link} 的网络覆盖了"
    " {card} 后面在用的地址，发给它们的包出不去",
)
BY_ROUTER = Text(en=" by a router", zh="（经路由器）")
FIX = Text(
    en='give Docker networks that are not in use elsewhere: "bip" and "default-address-pools" in daemon.json, '
    "`docker network create --subnet`; check with `ip route get {client}` on that host",
    zh='给 Docker 分配别处没有使用的网段：daemon.json 中的 "bip" 和 "default-address-pools"、`docker network create '
    "--subnet`；在该主机上用 `ip route get {client}` 检查",
)


def diagnose(context: Context) -> list[Finding]:
    lookups = [lookup for lookup in on_link_lookups(context) if not is_missing_proxy(context, lookup)]
    findings = [_finding(context, points) for points in _alike(context, lookups)]
    clients = {lookup.pair[2] for lookup in lookups}
    covered: dict[tuple[int, int, str], list[Covered]] = {}
    for each in covered_addresses(context):
        if each.question.target not in clients:
            covered.setdefault((each.link, each.card, each.question.target), []).append(each)
    return findings + [_of_covered(context, *key, covered[key]) for key in sorted(covered)]


def _alike(context: Context, lookups: list[Lookup]) -> list[dict[int, list[Lookup]]]:
    """The lookups at each point; points of one host that show the same questions are together, its bridge first."""
    at_points: dict[int, list[Lookup]] = {}
    for lookup in lookups:
        at_points.setdefault(lookup.exchange.point, []).append(lookup)
    alike: dict[tuple[object, ...], list[int]] = {}
    for point, of_point in at_points.items():
        host = host_of(context.points[point].name)
        questions = frozenset(lookup.pair for lookup in of_point)
        alike.setdefault((host, questions) if host else (point,), []).append(point)
    is_inside = {point: context.points[point].role != "bridge" for point in at_points}
    ordered = [sorted(points, key=is_inside.__getitem__) for points in alike.values()]
    return [{point: at_points[point] for point in points} for points in ordered]


def _finding(context: Context, at_points: dict[int, list[Lookup]]) -> Finding:
    point, lookups = next(iter(at_points.items()))
    clients = sorted({lookup.exchange.target for lookup in lookups}, key=address_value)
    askers = sorted({lookup.exchange.asker for lookup in lookups}, key=address_value)
    requests = sum(lookup.exchange.requests for lookup in lookups)
    rows = sorted({flow_links(context).first_hop(row) for lookup in lookups for row in lookup.rows})
    arrivals = _arrivals(context, point, lookups)
    evidence = {
        context.evidence(of, lookup.exchange.request_frame) for of, asked in at_points.items() for lookup in asked
    }
    evidence |= set(context.first_frames(rows))
    return Finding(
        NAME,
        "error",
        SAYS.fill(
            clients=several(clients), askers=several(askers), requests=requests, link=context.points[point].name,
            arrival=context.points[arrivals[0]].name + (BY_ROUTER.fill() if arrivals == [point] else ""),
        ),
        FIX.fill(client=clients[0]),
        {
            "clients": clients[:MAX_EVIDENCE], "askers": askers[:MAX_EVIDENCE], "requests": requests,
            "point": context.points[point].name, "arrivals": [context.points[arrival].name for arrival in arrivals],
        },
        sorted(evidence),
    )  # fmt: skip


def _of_covered(context: Context, link: int, card: int, address: str, covered: list[Covered]) -> Finding:
    askers = sorted({each.question.asker for each in covered}, key=address_value)
    requests = sum(each.question.requests for each in covered)
    evidence = {frame for each in covered for frame in each.question.evidence(context)}
    row = covered[0].row
    evidence.add(context.first_frame(row))
    link_name, card_name = context.points[link].name, context.points[card].name
    return Finding(
        NAME,
        "error",
        SAYS_COVERED.fill(
            askers=several(askers), address=address, link=link_name, requests=requests, card=card_name
        ),
        FIX.fill(client=address),
        {
            "clients": [address], "askers": askers[:MAX_EVIDENCE], "requests": requests, "point": link_name,
            "arrivals": [card_name],
        },
        sorted(evidence),
    )  # fmt: skip


def _arrivals(context: Context, point: int, lookups: list[Lookup]) -> list[int]:
    """Points where the clients' packets come in: of the host that looks for them, if it was captured there.

    The clients' own interfaces may have been captured too.
    """
    firsts = {flow_links(context).first_hop(row) for lookup in lookups for row in lookup.rows}
    rows = sorted({row for lookup in lookups for row in lookup.rows} | firsts)
    points = sorted({int(context.flows[row, schema.FLOW_POINT]) for row in rows})
    host = host_of(context.points[point].name)
    of_host = [of for of in points if of != point and host and host_of(context.points[of].name) == host]
    if not of_host and all(lookup.is_on_one_link for lookup in lookups):
        return [point]
    return of_host or sorted({int(context.flows[row, schema.FLOW_POINT]) for row in firsts}, key=lambda of: of == point)
