"""name-of-stopped-container: a name is asked for that belongs to a container which does not run.

Looks at: DNS questions for a name or alias of a container that the topology lists as stopped, on a network that a user
made, and that got no address at any point.
Says: who asked for which name, whose it is, and how that container ended.
Wrong when: the name is meant for something else that has it too.
Fix: start the container; its log says why it ended.
Verify: `docker ps -a --filter name=NAME`, `docker logs NAME`.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.facts.transport.dns_lookups import DnsLookup, dns_lookups
from capnet.topology import StoppedContainer, Topology
from capnet.topology.stopped import state_of

NAME = finding_name(__name__)
LEVELS = ("error", "warning")
SCENARIO = None  # the containers of the scenarios run
WITNESS = "pcaps/bridge-user-defined.pcapng"  # names of containers that run
EXPLAINS = ("dns-failure", "dns-slow", "dns-search-storm", "dns-type-unanswered")

PAGE_ZH = """查询的名称属于一个没有运行的容器。

检查：对某个容器的名称或别名的 DNS 查询，拓扑说明该容器已停止、位于用户自建的网络上，而在任何抓包点都没有得到地址。
结论：谁查询了哪个名称，它属于哪个容器，那个容器是怎样结束的。
误判：该名称指的是同名的其他主机。
处理：启动该容器；它的日志说明它为何结束。
验证：`docker ps -a --filter name=NAME`、`docker logs NAME`。
"""

SAYS = Text(
    en="{clients} asked {questions:time} for {name} and got no address: it is a name of container {container}, which "
    "did not run when the capture began ({state})",
    zh="{clients} 查询了 {questions} 次 {name} 而没有得到地址：它是容器 {container} 的名称，抓包开始时"
    "该容器没有运行（{state}）",
)
FIX = Text(
    en="`docker start {container}`; `docker logs {container}` says why it ended",
    zh="`docker start {container}`；`docker logs {container}` 说明它为何结束",
)

MIN_REPEATED = 2  # questions: one alone may be answered after the capture
MAX_SHOWN = 200  # lookups of one name in the evidence
_WITHOUT_NAMES = ("bridge", "podman")  # networks without a name server


def diagnose(context: Context) -> list[Finding]:
    owners = _owners(context.topology) if context.topology and context.topology.stopped else {}
    if not owners:
        return []
    asked: dict[str, list[DnsLookup]] = {}
    for lookup in dns_lookups(context):
        name = (lookup.name or "").rstrip(".").lower()
        if name in owners:
            asked.setdefault(name, []).append(lookup)
    return [
        _finding(context, name, owners[name], lookups)
        for name, lookups in sorted(asked.items())
        if not any(lookup.is_found for lookup in lookups)
    ]


def _owners(topology: Topology) -> dict[str, StoppedContainer]:
    """Name → the container that has it when it runs: `api`, and `api.shop_default`; without those of running ones."""
    owners: dict[str, StoppedContainer] = {}
    for container in topology.stopped:
        networks = [network for network in container.networks if network not in _WITHOUT_NAMES]
        for name in container.names if networks else []:
            for full_name in (name, *(f"{name}.{network}" for network in networks)):
                owners.setdefault(full_name.lower(), container)
    running = {(each.full_name or each.name).lower() for each in topology.containers}
    return {name: container for name, container in owners.items() if name not in running}


def _finding(context: Context, name: str, owner: StoppedContainer, lookups: list[DnsLookup]) -> Finding:
    by_point: dict[int, int] = {}
    for lookup in lookups:
        by_point[lookup.point] = by_point.get(lookup.point, 0) + len(lookup.asked)
    questions = max(by_point.values())  # each point shows the same ones
    clients = sorted({lookup.asker(context) for lookup in lookups if lookup.is_first_hop})
    container, state = owner.name, state_of(owner)
    return Finding(
        NAME,
        "error" if questions >= MIN_REPEATED else "warning",
        SAYS.fill(clients=several(clients), questions=questions, name=name, container=container, state=state),
        FIX.fill(container=container),
        {
            "name": name, "container": container, "state": owner.state, "exit_code": owner.exit_code,
            "questions": questions, "clients": clients[:MAX_EVIDENCE],
        },
        sorted({frame for lookup in lookups[:MAX_SHOWN] for frame in lookup.evidence(context)}),
    )  # fmt: skip
