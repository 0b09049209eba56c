"""What Docker's own rules mean, and that they are gone: more than the text of the rule that stopped packets.

Input: a cause, the topology of its host. Output: `Remark`. Method: a rule of Docker's isolation chains that names the
bridge of an internal network is made for it (`docker network create --internal`); others of Docker keep networks and
containers apart (`docker_networks`), and those of people overlook answers and DNAT (`forward_rules`). Docker's rules
are gone if FORWARD drops by its policy and jumps to no chain of Docker, on a host whose daemon has bridge networks.
Limits: a daemon with `"iptables": false` has none either, which the fix says.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import ports, proto_name
from capnet.analysis.core.schema import FLOW_PROTO
from capnet.analysis.core.wording import Text
from capnet.analysis.facts.kernel.cause import Cause, is_main
from capnet.analysis.facts.kernel.namespaces import NamespaceChanges
from capnet.analysis.facts.kernel.netfilter.forward_rules import Overlooked, lets_host_port_pass, stops_answers
from capnet.analysis.facts.kernel.netfilter.rules import FORWARD, GOTO, JUMP, Rule
from capnet.analysis.facts.kernel.states.docker_networks import is_of_nft_backend, kept_apart
from capnet.analysis.fate.verdict.stopped_answers import stopped_answers
from capnet.quick_tuple import NamedTuple
from capnet.topology import Network

_ISOLATION = ("DOCKER-ISOLATION", "DOCKER-INTERNAL")  # Docker before 28.1, and since
_NFT_TABLE = "docker-bridges"  # of Docker 29 and newer with the firewall backend nftables
_PODMAN = "podman"

INTERNAL = Text(
    en="{network} is an internal network: Docker lets its containers reach each other only",
    zh="{network} 是内部网络：Docker 只允许其中的容器互相访问",
)
FIX_INTERNAL = Text(
    en="connect the container to another network too, `docker network connect NETWORK CONTAINER`, or make {network} "
    "without --internal (in Compose, `internal: true`)",
    zh="把容器也接入另一个网络：`docker network connect NETWORK CONTAINER`，或重建 {network} 时不用 --internal（在 "
    "Compose 中是 `internal: true`）",
)
FLUSHED = Text(
    en="{chain} has no rule of Docker any more",
    zh="{chain} 中已没有 Docker 的规则",
)
FIX_FLUSHED = Text(
    en='`systemctl restart docker` writes its rules again (unless daemon.json has "iptables": false); look for what '
    "removed them: `iptables -F`, or the reload of a firewall",
    zh='`systemctl restart docker` 会重新写入规则（除非 daemon.json 中有 "iptables": false）；查找是什么删除了它们：'
    "`iptables -F`，或防火墙的重新加载",
)


class Remark(NamedTuple):
    """What is to be said of a rule, as a sentence ends, and what to do."""

    says: str
    fix: str


def docker_remark(context: Context, cause: Cause) -> Remark | None:
    """What Docker has to do with the rule that stopped packets."""
    rule = cause.rule
    if rule is None or not is_main(cause):
        return None
    if not rule.tool.startswith(("iptables", "ip6tables")) and not is_of_nft_backend(rule):
        return None
    networks = _bridge_networks(context, cause.namespace.name)
    if rule.chain.startswith(_ISOLATION) or is_of_nft_backend(rule):
        internal = [network for network in networks if network.internal and _keeps_inside(rule, network)]
        if internal:
            return Remark(INTERNAL.fill(network=internal[0].name), FIX_INTERNAL.fill(network=internal[0].name))
    if reason := kept_apart(context, cause, rule) or _overlooked(context, cause, rule):
        return Remark(*reason)
    is_policy = rule.number == 0 and rule.chain == "FORWARD"
    if is_policy and any(_is_of_docker(network) for network in networks) and not _has_docker_rules(cause.namespace):
        return Remark(FLUSHED.fill(chain="FORWARD"), FIX_FLUSHED.fill())
    return None


def _overlooked(context: Context, cause: Cause, rule: Rule) -> Overlooked | None:
    """What a rule of a person overlooks: answers, or that DNAT has changed the port."""
    tables, rows = cause.namespace.tables, set(cause.rows)
    if rows <= set(stopped_answers(context).answer.tolist()):
        return stops_answers(rule, tables)
    asked = {(proto_name(int(flow[FLOW_PROTO])), ports(flow)[1]) for flow in context.flows[list(cause.rows)]}
    published = {
        (each.host_port, each.container_port)
        for container in (context.topology.containers if context.topology else [])
        for each in container.ports
        if container.host == cause.namespace.name and (each.proto, each.host_port) in asked
    }
    return lets_host_port_pass(rule, tables, *published.pop()) if len(asked) == len(published) == 1 else None


def _bridge_networks(context: Context, host: str) -> list[Network]:
    networks = context.topology.networks if context.topology else []
    return [network for network in networks if network.host == host and network.driver == "bridge"]


def _is_of_docker(network: Network) -> bool:
    """podman's bridges have a like API and rules of their own."""
    return network.bridge is not None and not network.bridge.startswith((_PODMAN, f"cni-{_PODMAN}"))


def _keeps_inside(rule: Rule, network: Network) -> bool:
    """Does a rule of Docker drop what comes from outside of an internal network, or leaves it?"""
    of_bridge = [test for test in rule.tests if test.what in ("in", "out") and network.bridge in test.values]
    return any(test.is_negated for test in of_bridge) or (bool(of_bridge) and not is_of_nft_backend(rule))


def _has_docker_rules(namespace: NamespaceChanges) -> bool:
    """Does a chain of FORWARD jump to a chain of Docker, or has Docker a table of its own ("firewall-backend")?"""
    if any(table.tool == "nft" and table.name == _NFT_TABLE for table in namespace.tables):
        return True
    rules = (rule for table in namespace.tables for chain in table.base_chains(FORWARD) for rule in chain.rules)
    return any(rule.verdict in (JUMP, GOTO) and rule.target.startswith("DOCKER") for rule in rules)
