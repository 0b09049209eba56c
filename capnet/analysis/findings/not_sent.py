"""not-sent: programs in a container wanted to send packets, and its kernel sent none of them.

Looks at: the witnesses of each container that was captured: `IpOutNoRoutes` of /proc/net/snmp, and rules of OUTPUT that
drop or reject, of which the counter rose between both moments. Not in the namespace of a host, in which others send.
Says: how often a program had no route, or the rule with its text and its counter; that the container has lost the
network which it had joined. No capture point can show these packets: they end before the first interface.
Wrong when: the packets are of a program that tries what it does not need, such as a resolver that looks which addresses
it can reach.
Fix: connect the container to a network that leads there, or change the rule.
Verify: `nsenter -t PID -n ip route get ADDRESS`; `nsenter -t PID -n iptables -vnL OUTPUT` counts with each attempt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import Finding
from capnet.analysis.core.wording import Text, finding_name
from capnet.analysis.facts.kernel import unsent_packets
from capnet.topology import Container

if TYPE_CHECKING:
    from capnet.analysis.facts.kernel.states.unsent_packets import UnsentPackets

NAME = finding_name(__name__)
LEVELS = ("warning",)
SCENARIO = None  # nothing of it is in a capture: tests/analysis/facts/kernel/recorded has its witnesses
WITNESS = "pcaps/bridge.pcapng"  # containers that send
EXPLAINS = ()

PAGE_ZH = """容器中的程序想发送包，而它的内核一个也没有发出。

检查：每个被抓包容器的见证：/proc/net/snmp 的 `IpOutNoRoutes`，以及 OUTPUT 中丢弃或拒绝的规则，其计数器在前后两个时刻之
间有增加。不包括主机的命名空间，那里还有别的程序在发送。
结论：程序有多少次没有路由，或那条规则的内容和计数；容器是否失去了它所加入的网络。任何抓包点都看不到这些包：它们在第一个接口之前就终止了。
误判：这些包来自并不需要它们的尝试，例如解析器在查看它能到达哪些地址。
处理：把容器接入通向那里的网络，或修改那条规则。
验证：`nsenter -t PID -n ip route get ADDRESS`；每次尝试时 `nsenter -t PID -n iptables -vnL OUTPUT` 的计数增加。
"""

NO_ROUTE = Text(
    en="programs in {namespace} had no route {times:time} for what they wanted to send: none of it leaves, and no "
    "capture point shows it (IpOutNoRoutes)",
    zh="{namespace} 中的程序有 {times} 次没有路由来发送：这些包没有发出，任何抓包点都看不到（IpOutNoRoutes）",
)
BY_RULE = Text(
    en="{rule} in {namespace} stopped {packets:packet} that programs there wanted to send, before any capture point: "
    "{text}",
    zh="{namespace} 中的 {rule} 在任何抓包点之前拦截了那里的程序要发送的 {packets} 个包：{text}",
)
FIX_NO_ROUTE = Text(
    en="connect the container to a network that leads there (`docker network connect NETWORK CONTAINER`): one that is "
    "made with --internal, `--network none` and a namespace whose owner has restarted have no default route",
    zh="把容器接入通向那里的网络（`docker network connect NETWORK CONTAINER`）：用 --internal 创建的网络、`--network "
    "none` 以及所有者已重启的命名空间没有默认路由",
)
LOST = Text(
    en="; it joined the network of container {owner}, which has ended or restarted since",
    zh="；它加入了容器 {owner} 的网络，而后者此后已停止或重启",
)
FIX_LOST = Text(
    en="while {owner} runs, `docker restart {container}` joins its network again; let both restart together (in "
    "Compose, `depends_on` with `restart: true`)",
    zh="{owner} 运行时，`docker restart {container}` 会重新加入其网络；让两者一起重启（在 Compose 中，`depends_on` 加 "
    "`restart: true`）",
)
FIX_RULE = Text(
    en="change that rule in the container, if it is not meant to stop them (a VPN's kill switch is)",
    zh="如果容器中的那条规则不该拦截它们，请修改（VPN 的 kill switch 正是为此）",
)


def diagnose(context: Context) -> list[Finding]:
    containers = context.topology.containers if context.topology else []
    by_namespace = {f"{container.host}/{container.name}": container for container in containers}
    return [_finding(unsent, by_namespace.get(unsent.namespace)) for unsent in unsent_packets(context)]


def _finding(unsent: UnsentPackets, container: Container | None) -> Finding:
    facts: dict[str, object] = {"namespace": unsent.namespace, "packets": unsent.packets, "rule": unsent.rule or None}
    if unsent.rule:
        says = BY_RULE.fill(
            rule=unsent.rule_words, namespace=unsent.namespace, packets=unsent.packets, text=unsent.text
        )
        return Finding(NAME, "warning", says, FIX_RULE.fill(), facts, [])
    says, fix = NO_ROUTE.fill(namespace=unsent.namespace, times=unsent.packets), FIX_NO_ROUTE.fill()
    if container and container.lost_network_of:
        says += LOST.fill(owner=container.lost_network_of)
        fix = FIX_LOST.fill(owner=container.lost_network_of, container=container.name)
    return Finding(NAME, "warning", says, fix, facts, [])
