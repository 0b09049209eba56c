"""reused-port-delayed: the first SYN from a source port that was used before is lost, and the next one passes.

Looks at: connections from a source port that an older connection to the same server had. Their first SYN gets no
answer, and the same SYN sent again, a second later or more, is accepted. It takes two of them and nine in ten of such
connections to the server, while first connections from a port are accepted at once.
Says: how many connections from used ports were delayed, by how long, and how many from new ports were not.
Wrong when: packets were lost by chance.
Fix: IPVS drops the SYN if it still has the entry of the older connection, in Swarm's routing mesh and in kube-proxy:
set `net.ipv4.vs.conn_reuse_mode` to 0 in its namespace, or use Linux 5.9. Other balancers and firewalls: a shorter
timeout of closed connections. Clients that keep connections open or use more ports meet it less often.
Verify: `ipvsadm -lcn` shows the older connection in TIME_WAIT; `sysctl net.ipv4.vs.conn_reuse_mode`.
"""

from __future__ import annotations

from bisect import bisect_left

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import MIN_SYN_RETRY_NS, destination, replies, source
from capnet.analysis.core.results import MAX_EVIDENCE, Evidence, Finding
from capnet.analysis.core.wording import Text, endpoint_text, finding_name, several
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.transport.tcp_connections import (
    MAX_CONNECTIONS,
    Segment,
    has_segments,
    is_tcp_with,
    segments,
)
from capnet.quick_tuple import NamedTuple
from capnet.wire.numbers import TCP_SYN

NAME = finding_name(__name__)
LEVELS = ("warning",)
SCENARIO = None  # since Linux 5.9, IPVS takes such a SYN at once
WITNESS = "pcaps/faults/port-reused.pcapng"  # a server that answers such a SYN by a challenge ACK
EXPLAINS = ("packet-loss", "retransmissions", "connection-unanswered")

PAGE_ZH = """来自用过的源端口的第一个 SYN 丢失，下一个通过。

检查：源端口曾被到同一服务器的旧连接用过的连接。它的第一个 SYN 没有应答，而一秒或更久之后重发的同一个 SYN 被接受。需要
有两个，且占到该服务器的这类连接的十分之九；而从一个端口的首次连接都立即被接受。
结论：来自用过的端口的多少个连接被推迟，推迟多久，来自新端口的多少个没有被推迟。
误判：包偶然丢失。
处理：如果 IPVS 还有旧连接的条目，它会丢弃该 SYN，见于 Swarm 的 routing mesh 和 kube-proxy：在其命名空间中把
`net.ipv4.vs.conn_reuse_mode` 设为 0，或用 Linux 5.9。其他负载均衡和防火墙：缩短已关闭连接的超时。客户端保持连接或使用更
多端口，可减少这种情况。
验证：`ipvsadm -lcn` 显示旧连接处于 TIME_WAIT；`sysctl net.ipv4.vs.conn_reuse_mode`。
"""

SAYS = Text(
    en="{delayed} of {reused:connection} of {clients} to {server} from source ports used before had to send the SYN "
    "again, and waited {seconds} s; {new:connection} from new ports had not",
    zh="{clients} 到 {server}、源端口曾用过的 {reused} 个连接中有 {delayed} 个须重发 SYN，等了 {seconds} 秒；来自新端口"
    "的 {new} 个连接则不必",
)
FIX = Text(
    en="IPVS drops the first SYN while it has the older connection's entry: `sysctl -w net.ipv4.vs.conn_reuse_mode=0` "
    "in the namespace of the balancer (Swarm: `nsenter --net=/run/docker/netns/ingress_sbox`), or Linux 5.9; without "
    "IPVS, look for a firewall that keeps closed connections",
    zh="IPVS 还有旧连接的条目时会丢弃第一个 SYN：在负载均衡的命名空间中 `sysctl -w net.ipv4.vs.conn_reuse_mode=0`"
    "（Swarm：`nsenter --net=/run/docker/netns/ingress_sbox`），或用 Linux 5.9；没有 IPVS 时，查找保留已关闭连接的"
    "防火墙",
)

MIN_DELAYED = 2  # one alone may have been lost by chance
MIN_SHARE = 0.9  # of connections from used ports
MIN_NEW = 3  # connections from new ports, none of them delayed


class _Attempt(NamedTuple):
    """A connection of a flow row: how long its first SYN waited for the next one, 0 if it was accepted at once."""

    row: int
    is_reused: bool
    wait: int  # ns
    evidence: list[Evidence]


def diagnose(context: Context) -> list[Finding]:
    if not has_segments(context):
        return []
    flows = context.flows
    is_client = is_tcp_with(context, TCP_SYN) & (flows[:, schema.FLOW_SYNS] > 0) & (replies(context) >= 0)
    is_client &= flow_links(context).before < 0  # the point nearest to the client
    used_again = np.flatnonzero(is_client & (flows[:, schema.FLOW_TCP_FLAGS] & schema.USED_AGAIN > 0))
    services = {_service(context, row) for row in used_again.tolist()[:MAX_CONNECTIONS]}
    by_service: dict[tuple[str, int], list[_Attempt]] = {}
    for row in np.flatnonzero(is_client).tolist() if services else []:
        service = _service(context, row)
        attempts = by_service.setdefault(service, [])
        if service in services and len(attempts) < MAX_CONNECTIONS:
            attempts += _attempts(context, row)
    findings = []
    for service in sorted(services):
        reused = [attempt for attempt in by_service[service] if attempt.is_reused]
        new = [attempt for attempt in by_service[service] if not attempt.is_reused]
        delayed = [attempt for attempt in reused if attempt.wait]
        is_of_reuse = len(delayed) >= max(MIN_DELAYED, MIN_SHARE * len(reused))
        if is_of_reuse and len(new) >= MIN_NEW and not any(attempt.wait for attempt in new):
            findings.append(_finding(context, service, delayed, len(reused), len(new)))
    return findings


def _service(context: Context, row: int) -> tuple[str, int]:
    return destination(context.flows[row]), int(context.flows[row, schema.FLOW_DPORT])


def _attempts(context: Context, row: int) -> list[_Attempt]:
    """The connections of a row that were accepted in the end, in order; the first of a port is new."""
    passed = segments(context, row)
    first = next((segment.is_syn and not segment.is_reply for segment in passed), False)
    syns: dict[int, list[Segment]] = {}
    for segment in passed:
        if segment.is_syn and not segment.is_reply:
            syns.setdefault(segment.seq, []).append(segment)
    answer_times = sorted(segment.time for segment in passed if segment.is_reply)
    accepting: dict[int, list[Segment]] = {}  # by the number of the SYN
    for segment in passed:
        if segment.is_reply and segment.is_syn_ack:
            accepting.setdefault(segment.accepted, []).append(segment)
    attempts = []
    for number, (seq, sent) in enumerate(syns.items()):
        accepted = next((s for s in accepting.get(seq, ()) if s.time >= sent[0].time), None)
        if accepted is None or (number == 0 and not first):
            continue  # of what came before the capture nothing is known
        waited = accepted.time - sent[0].time if len(sent) > 1 else 0
        is_silent = not waited or bisect_left(answer_times, sent[1].time) <= bisect_left(answer_times, sent[0].time)
        if waited and (not is_silent or sent[1].time - sent[0].time < MIN_SYN_RETRY_NS):
            continue  # answered, or sent again too early to tell
        evidence = [context.flow_evidence(row, segment.frame) for segment in (*sent, accepted)]
        attempts.append(_Attempt(row, number > 0, waited, evidence))
    return attempts


def _finding(context: Context, service: tuple[str, int], delayed: list[_Attempt], reused: int, new: int) -> Finding:
    waits = sorted(attempt.wait for attempt in delayed)
    clients = sorted({source(context.flows[attempt.row]) for attempt in delayed})
    return Finding(
        NAME,
        "warning",
        SAYS.fill(
            delayed=len(delayed), reused=reused, clients=several(clients), server=endpoint_text(*service),
            seconds=round(waits[len(waits) // 2] / 1e9, 1), new=new,
        ),
        FIX.fill(),
        {
            "server": service[0], "port": service[1], "clients": clients[:MAX_EVIDENCE], "delayed": len(delayed),
            "reused": reused, "new": new,
        },
        sorted(frame for attempt in delayed for frame in attempt.evidence),
    )  # fmt: skip
