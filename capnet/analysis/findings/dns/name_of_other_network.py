"""name-of-other-network: a name is asked for that belongs to a running container on another network.

Looks at: DNS questions of a container for the name, Compose service or swarm service of another one that the topology
lists as running, and that got no address at any point. Both have networks of their own, and no network with names in
common.
Says: who asked for which name, whose it is, and the networks of both. On Docker's default bridge, which has no names,
that this is so.
Wrong when: the name is meant for something else that has it too.
Fix: connect both to one network that a user made.
Verify: `docker network inspect NETWORK` lists the containers on it; `docker exec ASKER getent hosts NAME`.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import Finding
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.facts.transport.dns_lookups import DnsLookup, dns_lookups
from capnet.topology import Container, Topology

NAME = finding_name(__name__)
LEVELS = ("error", "warning")
SCENARIO = None  # the containers of the scenarios are on the network of the names they ask for
WITNESS = "pcaps/bridge-user-defined.pcapng"  # names of containers on the asker's network
EXPLAINS = ("dns-failure", "dns-slow", "dns-search-storm", "dns-type-unanswered")

PAGE_ZH = """查询的名称属于一个正在运行的容器，但它所在的网络不是查询者的网络。

检查：容器对另一个容器的名称、Compose 服务名或 swarm 服务名的 DNS 查询，拓扑说明那个容器正在运行，而在任何抓包点都没有
得到地址。两者都有自己的网络，但没有一个共同的、带名称解析的网络。
结论：谁查询了哪个名称，它属于哪个容器，双方各在哪些网络上。在没有名称解析的 Docker 默认网桥上，说明这一点。
误判：该名称指的是同名的其他主机。
处理：把两者接入同一个用户自建的网络。
验证：`docker network inspect NETWORK` 列出其中的容器；`docker exec ASKER getent hosts NAME`。
"""

SAYS = Text(
    en="{asker} asked {questions:time} for {name} and got no address: it is a name of container {container}, which "
    "runs on other networks ({others}) than {asker} ({own})",
    zh="{asker} 查询了 {questions} 次 {name} 而没有得到地址：它是容器 {container} 的名称，该容器在别的网络"
    "（{others}）上，而 {asker} 在 {own} 上",
)
SAYS_DEFAULT = Text(
    en="{asker} asked {questions:time} for {name} and got no address: it is a name of container {container}, and both "
    "are on the default network {shared}, where containers have no names",
    zh="{asker} 查询了 {questions} 次 {name} 而没有得到地址：它是容器 {container} 的名称，两者都在默认网络 "
    "{shared} 上，那里的容器没有名称",
)
FIX = Text(
    en="`docker network connect {network} {asker}`; in Compose, name one network in `networks:` of both services (of "
    "two projects, as `external: true`)",
    zh="`docker network connect {network} {asker}`；在 Compose 中，给两个服务的 `networks:` 写上同一个网络（属于"
    "两个项目时用 `external: true`）",
)
FIX_DEFAULT = Text(
    en="connect both to a network of your own: `docker network create NETWORK`, `docker network connect NETWORK "
    "{asker}` and `docker network connect NETWORK {container}`",
    zh="把两者接入自建的网络：`docker network create NETWORK`、`docker network connect NETWORK {asker}` 和 "
    "`docker network connect NETWORK {container}`",
)

MIN_REPEATED = 2  # questions: one alone may be answered after the capture
MAX_SHOWN = 200  # lookups of one name in the evidence
_WITHOUT_NAMES = ("bridge", "podman", "host", "none", "")  # networks without a name server


def diagnose(context: Context) -> list[Finding]:
    owners = _owners(context.topology) if context.topology else {}
    if len(owners) < 2:
        return []
    asked: dict[tuple[str, str], list[DnsLookup]] = {}
    answered = set()
    for lookup in dns_lookups(context):
        name = (lookup.name or "").rstrip(".").lower()
        if name in owners:
            asked.setdefault((lookup.asker(context), name), []).append(lookup)
            answered |= {name} if lookup.is_found else set()
    findings = []
    for (asker, name), lookups in sorted(asked.items()):
        client = owners.get(asker.lower())
        if client and name not in answered and client is not owners[name]:
            findings += _finding(context, client, name, owners[name], lookups)
    return findings


def _owners(topology: Topology) -> dict[str, Container]:
    """Name → the running container with networks that has it, where it is the only one on its host."""
    owners: dict[str, Container] = {}
    ambiguous = set()
    for container in topology.containers:
        names = {container.name, container.full_name, container.compose_service, container.swarm_service}
        networks = _networks(container)
        for name in {name.lower() for name in names if name} if networks else ():
            for full_name in (name, *(f"{name}.{network.lower()}" for network in networks)):
                if owners.setdefault(full_name, container) is not container:
                    ambiguous.add(full_name)
    return {name: container for name, container in owners.items() if name not in ambiguous}


def _networks(container: Container) -> set[str]:
    return {endpoint.network for endpoint in container.endpoints if endpoint.network}


def _finding(
    context: Context, client: Container, name: str, owner: Container, lookups: list[DnsLookup]
) -> list[Finding]:
    own, others = _networks(client), _networks(owner)
    shared = own & others
    if client.host != owner.host or any(network not in _WITHOUT_NAMES for network in shared):
        return []
    by_point: dict[int, int] = {}
    for lookup in lookups:
        by_point[lookup.point] = by_point.get(lookup.point, 0) + len(lookup.asked)
    questions = max(by_point.values())  # each point shows the same ones
    asker, container = client.name, owner.name
    named = sorted(network for network in others if network not in _WITHOUT_NAMES)
    words = {"asker": asker, "questions": questions, "name": name, "container": container}
    if shared and not named:
        says, fix = SAYS_DEFAULT.fill(**words, shared=several(sorted(shared))), FIX_DEFAULT.fill(**words)
    else:
        says = SAYS.fill(**words, others=several(sorted(others)), own=several(sorted(own)))
        fix = FIX.fill(asker=asker, network=named[0]) if named else FIX_DEFAULT.fill(**words)
    facts: dict[str, object] = {
        "name": name, "container": container, "questions": questions, "client": asker, "networks": sorted(others),
        "client_networks": sorted(own),
    }  # fmt: skip
    level = "error" if questions >= MIN_REPEATED else "warning"
    evidence = sorted({frame for lookup in lookups[:MAX_SHOWN] for frame in lookup.evidence(context)})
    return [Finding(NAME, level, says, fix, facts, evidence)]
