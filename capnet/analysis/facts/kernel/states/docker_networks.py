"""Docker's rules that keep its networks, or the containers of one, apart: whom they are for, and what to do instead.

Input: a cause, the topology of its host. Output: what the sentence says more, and what to do. Method: the rule is of a
chain of Docker's and is for the bridge of the receiver's network, while the sender is on another one; or it is for one
bridge as both sides, and that network was made with `enable_icc=false`. A rule is for a bridge by a test of it, or by
the name of its chain: with its firewall backend nftables, Docker 29 has chains for each bridge (moby,
integration/network/bridge/nftablesdoc). Limits: containers whose networks are known.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, source
from capnet.analysis.core.wording import Text, several
from capnet.analysis.facts.kernel.cause import Cause
from capnet.analysis.facts.kernel.netfilter.rules import Rule
from capnet.quick_tuple import NamedTuple
from capnet.topology import Container, Network
from capnet.topology.lookup import endpoints, network_of

_ENABLE_ICC = "com.docker.network.bridge.enable_icc"
_NFT_TABLES = ("ip docker-bridges", "ip6 docker-bridges")  # of Docker 29 and newer
_NFT_CHAINS = {"in": "filter-forward-out__", "out": "filter-forward-in__"}  # as seen from the network that they are of
_NFT_ICC = 'comment "ICC"'
_DIRECT_ACCESS = (
    "PREROUTING",
    "raw-PREROUTING",
)  # where Docker 28 and newer drop what does not come by a published port
_DIRECT_ACCESS_SINCE = 28

ISOLATED = Text(
    en="Docker isolates its networks from each other: {clients} on {own}, {server} on {other}",
    zh="Docker 的网络之间互相隔离：{clients} 在 {own} 上，{server} 在 {other} 上",
)
FIX_CONNECT = Text(
    en="put both on one network, `docker network connect {other} {client}`, and ask for {server} by its name; in "
    "Compose, name one network in `networks:` of both services; or ask for a published port at the host's address. The "
    "rule is Docker's own, which writes it again",
    zh="让两者在同一个网络上：`docker network connect {other} {client}`，并用名称访问 {server}；在 Compose 中，给两"
    "个服务的 `networks:` 写上同一个网络；或用主机地址访问映射的端口。该规则是 Docker 自己的，删除后它会重新写入",
)
FIX_SHARED = Text(
    en="ask for {server} by its name, or at {address}, its address on {own}, where both are. A proxy that finds "
    "containers by Docker's API has to be told the network (Traefik: the label `traefik.docker.network={own}`)",
    zh="用名称访问 {server}，或访问 {address}，即它在两者共有的 {own} 上的地址。通过 Docker API 发现容器的代理要指定网"
    "络（Traefik：标签 `traefik.docker.network={own}`）",
)
NO_ICC = Text(
    en="{network} was made with enable_icc=false: its containers cannot reach each other",
    zh="{network} 创建时用了 enable_icc=false：其中的容器不能互相访问",
)
FIX_ICC = Text(
    en="put those that are to talk on another network too, `docker network connect NETWORK CONTAINER`, or make "
    "{network} again without `{option}=false`. The rule is Docker's own, which writes it again",
    zh="把需要互相访问的容器也接入另一个网络：`docker network connect NETWORK CONTAINER`，或重建 {network} 时不用 "
    "`{option}=false`。该规则是 Docker 自己的，删除后它会重新写入",
)


class KeptApart(NamedTuple):
    """Why Docker has the rule, as a sentence ends, and what to do."""

    says: str
    fix: str


class _Place(NamedTuple):
    container: Container
    network: Network
    address: str


def kept_apart(context: Context, cause: Cause, rule: Rule) -> KeptApart | None:
    """Why a rule of Docker stops these packets between its containers; None if it is for something else."""
    places = _places(context, cause.namespace.name)
    pairs = {(source(context.flows[row]), destination(context.flows[row])) for row in cause.rows}
    if not all(client in places and server in places for client, server in pairs):
        return None
    servers = {places[server].container.id: places[server] for _, server in pairs}
    clients = {places[client].container.name: places[client] for client, _ in pairs}
    networks = {client.network.id for client in clients.values()}
    if len(servers) != 1 or len(networks) != 1:
        return None
    (server,), client = servers.values(), clients[min(clients)]
    if client.network.id == server.network.id:
        return _without_icc(rule, client.network)
    is_of_docker = is_of_nft_backend(rule) or rule.chain.startswith("DOCKER")
    if not (is_of_docker and is_for(rule, "out", server.network)) and not _drops_direct_access(context, rule, server):
        return None
    says = ISOLATED.fill(
        clients=several(sorted(clients)), own=client.network.name, server=server.container.name,
        other=server.network.name,
    )  # fmt: skip
    return KeptApart(says, _fix(places, client, server))


def _fix(places: dict[str, _Place], client: _Place, server: _Place) -> str:
    shared = [
        place.address
        for place in places.values()
        if place.container is server.container and place.network.id == client.network.id
        and (":" in place.address) == (":" in server.address)
    ]  # fmt: skip
    if shared:
        return FIX_SHARED.fill(server=server.container.name, address=shared[0], own=client.network.name)
    return FIX_CONNECT.fill(
        other=server.network.name, client=client.container.name, server=server.container.name
    )  # fmt: skip


def _without_icc(rule: Rule, network: Network) -> KeptApart | None:
    comes_from_it = is_for(rule, "in", network) or (is_of_nft_backend(rule) and _NFT_ICC in rule.text)
    if network.options.get(_ENABLE_ICC) != "false" or not (comes_from_it and is_for(rule, "out", network)):
        return None
    return KeptApart(NO_ICC.fill(network=network.name), FIX_ICC.fill(network=network.name, option=_ENABLE_ICC))


def _places(context: Context, host: str) -> dict[str, _Place]:
    """Address on a bridge network of a host → whose it is."""
    topology = context.topology
    places = {}
    for container, endpoint in endpoints(topology) if topology else ():
        network = network_of(topology, container, endpoint) if topology and container.host == host else None
        if network is not None and network.bridge:
            for address in endpoint.ips:
                places[address] = _Place(container, network, address)
    return places


def is_of_nft_backend(rule: Rule) -> bool:
    """Is it of Docker's own tables of nftables?"""
    return rule.tool == "nft" and rule.table in _NFT_TABLES


def is_for(rule: Rule, what: str, network: Network) -> bool:
    """Is a rule for what comes `in`, or goes `out`, by the bridge of a network?"""
    if is_of_nft_backend(rule) and rule.chain == f"{_NFT_CHAINS[what]}{network.bridge}":
        return True
    return any(test.what == what and not test.is_negated and network.bridge in test.values for test in rule.tests)


def _drops_direct_access(context: Context, rule: Rule, server: _Place) -> bool:
    """Is it Docker's `-d CONTAINER ! -i BRIDGE -j DROP`, for a container that publishes ports?"""
    hosts = context.topology.hosts if context.topology else []
    versions = [host.docker.partition(".")[0] for host in hosts if host.name == server.container.host]
    if rule.chain not in _DIRECT_ACCESS or not any(
        version.isdecimal() and int(version) >= _DIRECT_ACCESS_SINCE for version in versions
    ):
        return False
    tests = {(test.what, test.is_negated): test.values for test in rule.tests}
    is_to_server = server.address in [value.partition("/")[0] for value in tests.get(("dst", False), ())]
    return len(rule.tests) == 2 and is_to_server and server.network.bridge in tests.get(("in", True), ())
