"""dnat-to-dead-backend: a host translates a port to an address that does not answer it.

Looks at: ICMP "host unreachable" that quotes an address of its own sender, seconds after the packet: the host asked for
the MAC of another address, which its translation put in place of its own (`facts.unreachable_hosts`). The address is
the one that is asked for without an answer at that time, or to which the port was translated before.
Not where datagrams of another client go on without such a message: `stale-conntrack`; nor where
connections are accepted only since: the container has come up. A sender that answers by ARP for
the quoted address, and has another one, may be a proxy for it (RFC 1027): there, the question for the backend must be
seen.
Says: which port of which host, where it is translated to if that is seen, how many messages say so, and whether other
connections to the port are accepted meanwhile: then it is one of several backends.
Wrong when: a rule rejects with that message and holds the packet back.
Fix: start the container, or make it anew so that the rule names its present address; of a service of Kubernetes,
compare its endpoints with the rules of kube-proxy.
Verify: `iptables -t nat -S DOCKER`, or `nft list ruleset`, shows the address; `docker ps` shows no container with it.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, proto_name, replies, reply_values, source
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.facts.clues import Clue, first_of
from capnet.analysis.facts.models.container_signs import shows_cni
from capnet.analysis.facts.nat.translations import nat_facts
from capnet.analysis.facts.neighbours.exchanges import Exchange, neighbours
from capnet.analysis.facts.unreachable_hosts import Unreachable, unreachable_hosts
from capnet.analysis.fate.next_points import is_answered
from capnet.topology import Service
from capnet.wire.addresses import address_value
from capnet.wire.numbers import TCP, UDP

NAME = finding_name(__name__)
LEVELS = ("error",)
SCENARIO = None  # Docker removes the rule with the container
WITNESS = "pcaps/bridge-hairpin.pcapng"  # published ports whose containers answer
EXPLAINS = ("arp-unanswered", "host-unreachable", "neighbour-unanswered", "published-port-blocked", "retransmissions")

PAGE_ZH = """主机把端口转换到一个不应答它的地址。

检查：ICMP “host unreachable” 在包发出数秒后引用了发送者自己的地址：主机在询问另一个地址的 MAC，是它的转换用那个地址
代替了自己的（`facts.unreachable_hosts
`）。该地址就是当时被询问而无应答的那个，或该端口此前转换到的那个。如果另一个客户端的包没有收到这种消息而能通过，
见 `stale-conntrack`；如果之后才接受连接，则容器已启动，不报告。若发送者用 ARP 为被引用的地址应答，而自己另有地址，
它可能只是代理（RFC 1027）：此时必须看到对后端地址的询问。
结论：哪台主机的哪个端口，如果看得到则转换到哪里，有多少条消息，以及到该端口的其他连接是否被接受：那么它是多个后端之
一。
误判：某条规则用该消息拒绝并拦下了包。
处理：启动容器，或重新创建它，使规则指向它现在的地址；对 Kubernetes 的服务，比较其端点与 kube-proxy 的规则。
验证：`iptables -t nat -S DOCKER` 或 `nft list ruleset` 显示该地址；`docker ps` 中没有容器拥有它。
"""

SAYS = Text(
    en="{server} is translated to {backend}, which answers no question for its MAC: {sender} answers {clients} "
    "'host unreachable' {messages:time}",
    zh="{server} 被转换到 {backend}，而它不应答对其 MAC 的询问：{sender} 以“host unreachable”"
    "应答 {clients} {messages} 次",
)
OTHERS = Text(
    en="; meanwhile {connections:other connection} to this port {connections:was|were} accepted, so it is one of "
    "several backends",
    zh="；其间到该端口的另外 {connections} 个连接被接受，所以它是多个后端之一",
)
PORT = Text(en="port {port}/{proto} of {host}", zh="{host} 的端口 {port}/{proto}")
UNKNOWN = Text(en="an address behind it", zh="它后面的一个地址")
FIX = Text(
    en="start the container behind port {port}, or make it anew so that the rule names its present address "
    "(`{tables} -t nat -S DOCKER`){forget}; if it runs there, see whether `ip route` leads to its bridge",
    zh="启动端口 {port} 后面的容器，或重新创建它，使规则指向它现在的地址（`{tables} -t nat -S DOCKER`）{forget}；如果它"
    "正在运行，检查 `ip route` 是否指向它的网桥",
)
FIX_OTHERS = Text(
    en="start that backend, or take it out of those among which port {port} is shared (`{tables} -t nat -vnL`, "
    "`ipvsadm -Ln`, EndpointSlices): a health check of the balancer should do that",
    zh="启动该后端，或把它从端口 {port} 的后端中去掉（`{tables} -t nat -vnL`、`ipvsadm -Ln`、EndpointSlices）：负载均衡"
    "器的健康检查应当做到这一点",
)
FIX_PODS = Text(
    en="see whether the address behind port {port} is that of a pod (`kubectl get endpointslices,pods -A -o wide`): "
    "kube-proxy on that node takes a pod out of its rules when its service no longer lists it; of a hostPort, "
    "`{tables} -t nat -S` shows the rule of a pod that has gone{forget}",
    zh="查看端口 {port} 后面的地址是否属于某个 Pod（`kubectl get endpointslices,pods -A -o wide`）：服务不再列出某个 "
    "Pod 时，该节点上的 kube-proxy 会从规则中去掉它；若是 hostPort，`{tables} -t nat -S` 会显示已消失的 Pod 的规则"
    "{forget}",
)
FIX_KUBERNETES = Text(
    en="`kubectl get endpointslices -n {namespace}` lists the endpoints of {service}: kube-proxy on that node takes a "
    "pod out of its rules when it leaves that list. If the list is right, look into kube-proxy's log there; if it is "
    "not, into the pod (`kubectl get pods -o wide`) and its readiness probe",
    zh="`kubectl get endpointslices -n {namespace}` 列出 {service} 的端点：Pod 从中消失时，该节点上的 kube-proxy 会从规"
    "则中去掉它。如果列表正确，查看那里 kube-proxy 的日志；否则检查该 Pod（`kubectl get pods -o wide`）及其 readiness "
    "probe",
)
FORGET = Text(
    en="; if the rule is right, let conntrack forget the address that was (`conntrack -D -p udp --dport {port}`)",
    zh="；如果规则正确，让 conntrack 忘记旧地址（`conntrack -D -p udp --dport {port}`）",
)

MIN_SERVED_NS = 4_000_000_000  # three questions for a MAC, a second each, and the message would have come
MAX_LOOKUP_NS = 10_000_000  # from the packet to the question for the MAC that it needs, on one host


def diagnose(context: Context) -> list[Finding]:
    return [
        _finding(context, failed)
        for failed in unreachable_hosts(context)
        if failed.is_own and failed.is_unresolved and failed.proto in (TCP, UDP) and failed.port >= 0
        and not _is_about_answers(context, failed)
        and (_accepted_meanwhile(context, failed) or not _serves_others(context, failed))
        and (failed.sender == failed.destination or _backends(context, failed))
    ]  # fmt: skip


def _is_about_answers(context: Context, failed: Unreachable) -> bool:
    """Are they about answers to what the host asked from that port, or translated to it (SNAT)?"""
    flows, (high, low) = context.flows, address_value(failed.destination)
    is_from_port = (flows[:, schema.FLOW_SRC_HI] == high) & (flows[:, schema.FLOW_SRC_LO] == low)
    is_from_port &= (flows[:, schema.FLOW_SPORT] == failed.port) & (flows[:, schema.FLOW_PROTO] == failed.proto)
    rows = np.flatnonzero(is_from_port & (flows[:, schema.FLOW_FIRST] < failed.asked)).tolist()
    return any((destination(flows[row]), int(flows[row, schema.FLOW_DPORT])) in failed.quoted for row in rows)


def _serves_others(context: Context, failed: Unreachable) -> bool:
    """Do packets of another client's port to the same one go on without such a message? Then it is no rule for all."""
    flows, (high, low) = context.flows, address_value(failed.destination)
    is_to_port = (flows[:, schema.FLOW_DST_HI] == high) & (flows[:, schema.FLOW_DST_LO] == low)
    is_to_port &= (flows[:, schema.FLOW_DPORT] == failed.port) & (flows[:, schema.FLOW_PROTO] == failed.proto)
    is_to_port &= flows[:, schema.FLOW_LAST] >= failed.asked
    is_spared = is_answered(context).copy()
    for number, point in enumerate(context.points):
        if point.last is not None:
            is_early = flows[:, schema.FLOW_FIRST] <= point.last - MIN_SERVED_NS
            is_spared |= (flows[:, schema.FLOW_POINT] == number) & is_early
    rows = np.flatnonzero(is_to_port & is_spared).tolist()
    return any((source(flows[row]), int(flows[row, schema.FLOW_SPORT])) not in failed.quoted for row in rows)


def _accepted_meanwhile(context: Context, failed: Unreachable) -> int:
    """How many TCP connections to the port were accepted between the first packet and the last message about it."""
    flows, (high, low) = context.flows, address_value(failed.destination)
    is_accepted = (flows[:, schema.FLOW_DST_HI] == high) & (flows[:, schema.FLOW_DST_LO] == low)
    is_accepted &= (flows[:, schema.FLOW_DPORT] == failed.port) & (flows[:, schema.FLOW_PROTO] == failed.proto)
    is_accepted &= (flows[:, schema.FLOW_SYNS] > 0) & (replies(context) >= 0)
    is_accepted &= reply_values(context, schema.FLOW_SYNACK_TIME) >= 0
    is_accepted &= (flows[:, schema.FLOW_FIRST] > failed.asked) & (flows[:, schema.FLOW_FIRST] < failed.last)
    if failed.proto != TCP or not is_accepted.any():
        return 0
    return int(np.bincount(flows[is_accepted, schema.FLOW_POINT]).max())


def _finding(context: Context, failed: Unreachable) -> Finding:
    lookups = _backends(context, failed)
    targets = {lookup.target for lookup in lookups}
    backend = targets.pop() if len(targets) == 1 else None
    asked = [context.evidence(lookup.point, lookup.request_frame) for lookup in lookups] if backend else []
    proto = proto_name(failed.proto)
    clue = _OWNER(context, failed) or Clue(_rule(failed, FIX))
    says = SAYS.fill(
        server=PORT.fill(port=failed.port, proto=proto, host=failed.destination), backend=backend or UNKNOWN.fill(),
        sender=failed.sender, clients=several(failed.receivers), messages=failed.messages,
    )  # fmt: skip
    accepted = _accepted_meanwhile(context, failed)
    if accepted:
        says += OTHERS.fill(connections=accepted)
    return Finding(
        NAME,
        "error",
        says,
        clue.fix,
        {
            "host": failed.destination, "port": failed.port, "proto": proto, "backend": backend,
            "clients": failed.receivers[:MAX_EVIDENCE], "messages": failed.messages, "accepted": accepted,
        },
        sorted([*failed.evidence, *asked]),
    )  # fmt: skip


# -- who has the rule, and what it should say ------------------------------------------------------------
def _kubernetes(context: Context, failed: Unreachable) -> Clue | None:
    """A service of Kubernetes has this address or node port."""
    service = _kubernetes_service(context, failed)
    if service is None:
        return None
    return Clue(FIX_KUBERNETES.fill(service=service.name, namespace=service.namespace))


def _balancer(context: Context, failed: Unreachable) -> Clue | None:
    """Others are accepted meanwhile."""
    return Clue(_rule(failed, FIX_OTHERS)) if _accepted_meanwhile(context, failed) else None


def _pods(context: Context, failed: Unreachable) -> Clue | None:
    """The network of containers is one of CNI."""
    return Clue(_rule(failed, FIX_PODS)) if shows_cni(context) else None


_OWNER = first_of(_kubernetes, _balancer, _pods)


def _rule(failed: Unreachable, fix: Text) -> str:
    """A next step that names the rules; conntrack keeps UDP at the address that was while packets come."""
    tables = "ip6tables" if ":" in failed.destination else "iptables"
    forget = FORGET.fill(port=failed.port) if failed.proto == UDP else ""
    return fix.fill(port=failed.port, tables=tables, forget=forget)


def _kubernetes_service(context: Context, failed: Unreachable) -> Service | None:
    """The service of Kubernetes that has this cluster IP, or this node port."""
    services = context.topology.services if context.topology else []
    for service in services:
        has_address = any(vip.address == failed.destination for vip in service.vips)
        if service.namespace and (has_address or any(port.published_port == failed.port for port in service.ports)):
            return service
    return None


def _backends(context: Context, failed: Unreachable) -> list[Exchange]:
    """The host's questions for the address that it translates to, as far as they are seen."""
    return _lookups(context, failed) or _lookups_again(context, failed)


def _lookups(context: Context, failed: Unreachable) -> list[Exchange]:
    """Questions for a MAC of another address, without an answer, that began with the first packet to the host."""
    return [
        of
        for of in neighbours(context)
        if of.requests and not (of.replies or of.is_probe or of.is_announcement) and of.target != failed.destination
        and abs(of.first_request - failed.asked) <= MAX_LOOKUP_NS
    ]  # fmt: skip


def _lookups_again(context: Context, failed: Unreachable) -> list[Exchange]:
    """Questions for the address that the port was translated to, which go on after its last answer."""
    service = (failed.destination, failed.port, proto_name(failed.proto))
    translations = nat_facts(context).of_kinds("dnat", "snat+dnat")
    ends = translations.different("before.dst", "before.dport", "proto", "after.dst")
    backends = {backend for *of, backend in ends if tuple(of) == service}
    return [
        of
        for of in neighbours(context)
        if of.target in backends and failed.asked < of.last_request and of.last_reply < of.last_request
    ]
