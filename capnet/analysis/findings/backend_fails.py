"""backend-fails: one of the servers behind a service fails, the others serve.

Looks at: TCP connections to one address and port that are translated to several servers. One of them must refuse or
leave unanswered all of its connections, at least two, while at least two others of the service are accepted elsewhere.
Says: which server fails how many connections of which service, and how many the others accepted.
Wrong when: the answers of this server take a way that was not captured.
Fix: restart or remove this task, and give the service a health check, so that a balancer leaves it out by itself. If
it is silent, its packets may end on their way: look at where they were last seen.
Verify: `docker service ps SERVICE`, `kubectl get endpointslices`; `nsenter -t PID -n ss -ltn` in the task.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, is_syn_retried, replies, reply_values
from capnet.analysis.core.results import Finding
from capnet.analysis.core.schema import FlowRows, Mask, PerFlow
from capnet.analysis.core.wording import Text, endpoint_text, finding_name
from capnet.analysis.correlate.duplicates import syns_without_duplicates
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.models.container_signs import shows_cni
from capnet.analysis.fate.chain_values import any_of_chain
from capnet.analysis.fate.next_points import chain_of
from capnet.quick_tuple import NamedTuple
from capnet.wire.numbers import TCP, TCP_RST

NAME = finding_name(__name__)
LEVELS = ("error",)
SCENARIO = None  # all tasks of the scenarios serve
WITNESS = "pcaps/overlay-service.pcapng"  # a service of several tasks that all serve
EXPLAINS = ("retransmissions", "connection-refused", "connection-unanswered")

PAGE_ZH = """一个服务后面的一台服务器失败，其他的正常。

检查：到一个地址和端口、被转换到多台服务器的 TCP 连接。其中一台必须拒绝或不应答它的全部连接（至少两个），而该服务的
至少另外两台在别处接受连接。
结论：哪台服务器让哪个服务的多少个连接失败，其他服务器接受了多少个。
误判：这台服务器的应答走了没有抓包的路。
处理：重启或移除这个任务，并给服务配置健康检查，使负载均衡自动摘除它。如果它没有应答，包也可能停在路上：查看最后看到
它们的抓包点。
验证：`docker service ps SERVICE`、`kubectl get endpointslices`；在任务中 `nsenter -t PID -n ss -ltn`。
"""

SAYS = Text(
    en="{backend} fails all {failed:connection} of {service} that it gets ({refused} refused, {silent} unanswered), "
    "{others:other server} of this service accepted {accepted}",
    zh="{backend} 没有处理好分给它的 {service} 的全部 {failed} 个连接（{refused} 个被拒绝，{silent} 个无应答），而该"
    "服务的另外 {others} 台服务器接受了 {accepted} 个",
)
FIX = Text(
    en="restart or remove {backend} (`docker service ps`, `docker service update --force`); a health check takes "
    "such a task out of the balancer by itself",
    zh="重启或移除 {backend}（`docker service ps`、`docker service update --force`）；配置健康检查后，负载均衡会自动"
    "摘除这样的任务",
)
FIX_POD = Text(
    en="see whether {backend} is a pod of the service and listens (`kubectl get endpointslices,pods -A -o wide`): an "
    "endpoint may be stale; a readiness probe takes a pod that fails out of the service by itself",
    zh="查看 {backend} 是否是该服务的 Pod 并在监听（`kubectl get endpointslices,pods -A -o wide`）：端点可能已过时；"
    "配置就绪探针后，失效的 Pod 会自动从服务中摘除",
)
FIX_POD_SILENT = Text(
    en="see whether {backend} is a pod of the service (`kubectl get endpointslices,pods -A -o wide`): an endpoint may "
    "be stale; else whether it can be reached: what is for it was last seen at {point}. A readiness probe takes a pod "
    "that fails out of the service by itself",
    zh="查看 {backend} 是否是该服务的 Pod（`kubectl get endpointslices,pods -A -o wide`）：端点可能已过时；否则检查能否"
    "到达它：发给它的包最后在 {point} 看到。配置就绪探针后，失效的 Pod 会自动从服务中摘除",
)
FIX_SILENT = Text(
    en="check first whether {backend} can be reached: what is for it was last seen at {point}; then restart or remove "
    "it (`docker service ps`, `docker service update --force`); a health check takes such a task out of the balancer "
    "by itself",
    zh="先检查能否到达 {backend}：发给它的包最后在 {point} 看到；然后重启或移除它（`docker service ps`、"
    "`docker service update --force`）；配置健康检查后，负载均衡会自动摘除这样的任务",
)

_FIXES = {  # (are the servers pods, does this one refuse)
    (False, True): FIX, (False, False): FIX_SILENT, (True, True): FIX_POD, (True, False): FIX_POD_SILENT,
}  # fmt: skip
MIN_FAILED, MIN_ACCEPTED = 2, 2  # connections: one alone may fail by chance
MAX_CONNECTIONS = 10_000


class _Connections(NamedTuple):
    """Translated connections, one entry each: flow rows of the first and the last hop."""

    first: FlowRows
    last: FlowRows
    is_accepted: Mask
    is_refused: Mask
    is_silent: Mask


def diagnose(context: Context) -> list[Finding]:
    flows, connections = context.flows, _translated(context)
    if not (connections.is_refused | connections.is_silent).any():
        return []
    services: dict[tuple[str, int], dict[tuple[str, int], list[int]]] = {}
    for number in range(min(len(connections.first), MAX_CONNECTIONS)):
        service, backend = (
            (destination(flows[row]), int(flows[row, schema.FLOW_DPORT]))
            for row in (connections.first[number], connections.last[number])
        )
        services.setdefault(service, {}).setdefault(backend, []).append(number)
    findings = []
    for service, backends in sorted(services.items()):
        accepted = {key: int(connections.is_accepted[numbers].sum()) for key, numbers in backends.items()}
        for backend, numbers in sorted(backends.items()):
            failed = connections.is_refused[numbers] | connections.is_silent[numbers]
            if failed.all() and len(numbers) >= MIN_FAILED and sum(accepted.values()) >= MIN_ACCEPTED:
                others = {key: count for key, count in accepted.items() if count}
                findings.append(_finding(context, connections, service, backend, numbers, others))
    return findings


def _translated(context: Context) -> _Connections:
    """TCP connections whose destination changes on their way, as far as it is clear what became of them."""
    flows, links, answers = context.flows, flow_links(context), replies(context)
    chain = chain_of(context)
    first_of: PerFlow = np.full(len(flows), -1)
    firsts = np.flatnonzero(links.before < 0)
    first_of[chain[firsts]] = firsts
    is_new = (flows[:, schema.FLOW_PROTO] == TCP) & (flows[:, schema.FLOW_SYNS] > 0)
    last = np.flatnonzero(is_new & (links.after < 0) & (links.before >= 0))
    first = first_of[chain[last]]
    ends = schema.FLOW_DST_END
    is_translated = (first >= 0) & (flows[first[:, None], ends] != flows[last[:, None], ends]).any(axis=1)
    first, last = first[is_translated], last[is_translated]
    has_synack = (answers >= 0) & (reply_values(context, schema.FLOW_SYNACK_TIME) >= 0)
    has_reset = (answers >= 0) & (reply_values(context, schema.FLOW_TCP_FLAGS) & TCP_RST != 0)
    is_accepted = any_of_chain(context, has_synack)[last]
    is_refused = has_reset[last] & ~is_accepted
    is_silent = ~any_of_chain(context, answers >= 0)[last] & is_syn_retried(flows)[last]
    is_silent &= syns_without_duplicates(context)[last] > 1
    return _Connections(first, last, is_accepted, is_refused, is_silent)


def _finding(
    context: Context, connections: _Connections, service: tuple[str, int], backend: tuple[str, int],
    numbers: list[int], others: dict[tuple[str, int], int],
) -> Finding:  # fmt: skip
    flows = context.flows
    names = [endpoint_text(address, port) for address, port in (service, backend)]
    refused, silent = (int(mask[numbers].sum()) for mask in (connections.is_refused, connections.is_silent))
    rows = [*connections.last[numbers].tolist(), *connections.first[numbers].tolist()]
    point = context.points[int(flows[rows[0], schema.FLOW_POINT])].name
    return Finding(
        NAME,
        "error",
        SAYS.fill(
            backend=names[1], failed=len(numbers), service=names[0], refused=refused, silent=silent,
            others=len(others), accepted=sum(others.values()),
        ),
        _FIXES[shows_cni(context), refused > 0].fill(backend=names[1], point=point),
        {
            "service": names[0], "backend": names[1], "connections": len(numbers), "refused": refused,
            "silent": silent, "accepted_by": {endpoint_text(*other): count for other, count in others.items()},
        },
        sorted(context.first_frames(rows)),
    )  # fmt: skip
