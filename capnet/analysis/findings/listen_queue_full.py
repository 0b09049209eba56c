"""listen-queue-full: a server does not answer some SYNs, because it does not accept connections fast enough.

Looks at: SYNs that arrive on the server's own link and are sent again without an answer, to an address and port that
accepted other connections before. The same clients must have been accepted at another time, or three clients be
concerned. Connections must be accepted meanwhile or later, or wait for a server that has said nothing yet: without
either, the server may be gone. One must be open when a SYN is ignored: an empty queue is not full. When the listen
queue is full, Linux drops SYNs and says nothing (tcp(7), tcp_abort_on_overflow). Not: SYNs that ask for ECN, where
only those that do not are accepted.
Says: how many connections were not answered, and how many were accepted.
Wrong when: a rule of the server's own firewall limits new connections.
Fix: accept faster, with more workers, or allow a longer queue: listen(backlog) and net.core.somaxconn.
Verify: `nsenter -t PID -n nstat -az TcpExtListenOverflows TcpExtListenDrops` rises, and `nsenter -t PID -n ss -ltn`
shows Recv-Q above Send-Q.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import hash_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import MIN_SYN_RETRY_NS, destination, is_syn_retried, replies, reply_values, source
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.schema import FlowMask, FlowRows
from capnet.analysis.core.wording import Text, endpoint_text, finding_name
from capnet.analysis.correlate.duplicates import syns_without_duplicates
from capnet.analysis.facts.transport.server_side import SERVICE, is_at_server
from capnet.wire.numbers import TCP, TCP_ECE, TCP_FIN, TCP_RST

NAME = finding_name(__name__)
LEVELS = ("warning",)
SCENARIO = "fault listen-queue-full"
WITNESS = "pcaps/bridge.pcapng"  # every SYN is answered
EXPLAINS = ("connection-unanswered", "retransmissions")

PAGE_ZH = """服务器没有应答部分 SYN，因为它接受连接不够快。

检查：到达服务器自己的链路、重发而无应答的 SYN，其目的地址和端口此前接受过其他连接。同样的客户端必须在其他时候被接受
过，或涉及三个客户端。同时或之后必须有连接被接受，或有连接在等待还没有说话的服务器：否则服务器可能已经不在了。SYN 被
忽略时必须有打开的连接：空的队列不会满。监听队列满时，Linux 丢弃 SYN 而不作声（tcp(7)，tcp_abort_on_overflow）。不包
括要求 ECN 的 SYN，而只有不要求的被接受。
结论：多少个连接没有应答，多少个被接受。
误判：服务器自己的防火墙规则限制新连接。
处理：更快地接受（更多工作进程），或加长队列：listen(backlog) 和 net.core.somaxconn。
验证：`nsenter -t PID -n nstat -az TcpExtListenOverflows TcpExtListenDrops` 增加，`nsenter -t PID -n ss -ltn` 显示
Recv-Q 大于 Send-Q。
"""

SAYS = Text(
    en="{server} left {syns:SYN} of {connections:connection} unanswered that had arrived on its own link ({point}), "
    "and accepted {accepted} others: its listen queue was full",
    zh="{server} 对已到达自己链路（{point}）的 {connections} 个连接的 {syns} 个 SYN 没有应答，而接受了另外 "
    "{accepted} 个：它的监听队列满了",
)
FIX = Text(
    en="let the server accept faster (more workers, no blocking call in its accept loop), or allow a longer queue: "
    "listen(backlog) and `--sysctl net.core.somaxconn=4096`",
    zh="让服务器更快地接受连接（更多工作进程，accept 循环中不做阻塞调用），或加长队列：listen(backlog) 和 `--sysctl "
    "net.core.somaxconn=4096`",
)

MIN_CLIENTS = 3  # that are concerned, where none of them was ever accepted: a filter may refuse one


def diagnose(context: Context) -> list[Finding]:
    flows, answers = context.flows, replies(context)
    first = flows[:, schema.FLOW_FIRST]
    is_retried = (syns_without_duplicates(context) > 1) & is_syn_retried(flows)
    if not is_retried.any():
        return []
    is_new = (flows[:, schema.FLOW_PROTO] == TCP) & (flows[:, schema.FLOW_SYNS] > 0) & is_at_server(context)
    is_new &= flows[:, schema.FLOW_TCP_FLAGS] & schema.USED_AGAIN == 0
    answered_at = np.where(answers >= 0, reply_values(context, schema.FLOW_SYNACK_TIME), -1)
    is_refused = (answers >= 0) & (answered_at < 0) & (reply_values(context, schema.FLOW_TCP_FLAGS) & TCP_RST != 0)
    is_late = answered_at - first >= MIN_SYN_RETRY_NS
    is_silent = is_new & is_retried & ~is_refused & ((answered_at < 0) | is_late)
    is_accepted = is_new & (answered_at >= 0) & ~is_silent
    findings = []
    services = hash_of(flows, SERVICE)
    for service in sorted({int(value) for value in services[is_silent].tolist()}):
        of_service = services == np.uint64(service)
        silent, accepted = np.flatnonzero(of_service & is_silent), np.flatnonzero(of_service & is_accepted)
        silent = silent[_has_open_ones(context, silent, np.flatnonzero(of_service & ~is_refused))]
        if not len(silent):
            continue
        is_before = len(accepted) and answered_at[accepted].min() < first[silent].max()
        if not is_before or _asks_for_ecn(context, silent, accepted):
            continue
        is_busy = answered_at[of_service & is_new].max() > first[silent].min()
        is_busy |= (context.flows[answers[accepted], schema.FLOW_PAYLOAD] == 0).any()
        if is_busy and _concerns_more_than_one(context, silent, accepted):
            findings.append(_finding(context, silent, accepted))
    return findings


def _has_open_ones(context: Context, silent: FlowRows, connections: FlowRows) -> FlowMask:
    """Per silent flow: was a connection of its service open at its first SYN, or not seen to be closed by then?"""
    flows, answers = context.flows, replies(context)
    opened = reply_values(context, schema.FLOW_SYNACK_TIME)[connections]
    opened = np.where(flows[connections, schema.FLOW_SYNS] > 0, opened, flows[connections, schema.FLOW_FIRST])
    connections, opened = (values[(answers[connections] >= 0) & (opened >= 0)] for values in (connections, opened))
    both = flows[connections], flows[answers[connections]]
    is_closed = (both[0][:, schema.FLOW_TCP_FLAGS] | both[1][:, schema.FLOW_TCP_FLAGS]) & (TCP_FIN | TCP_RST) > 0
    last = np.maximum(both[0][:, schema.FLOW_LAST], both[1][:, schema.FLOW_LAST])
    closed = np.sort(np.where(is_closed, last, np.iinfo(np.int64).max))
    first = flows[silent, schema.FLOW_FIRST]
    mask: FlowMask = np.searchsorted(np.sort(opened), first, "right") > np.searchsorted(closed, first, "right")
    return mask


def _asks_for_ecn(context: Context, silent: FlowRows, accepted: FlowRows) -> bool:
    """Do all SYNs without an answer ask for ECN (RFC 3168 section 6.1.1), and none of the others?"""
    asks = context.flows[:, schema.FLOW_TCP_FLAGS] & TCP_ECE != 0
    return bool(asks[silent].all() and not asks[accepted].any())


def _concerns_more_than_one(context: Context, silent: FlowRows, accepted: FlowRows) -> bool:
    clients = {source(context.flows[row]) for row in silent.tolist()}
    return len(clients) >= MIN_CLIENTS or bool(clients & {source(context.flows[row]) for row in accepted.tolist()})


def _finding(context: Context, silent: FlowRows, accepted: FlowRows) -> Finding:
    flows = context.flows
    flow = flows[silent[0]]
    server, port = destination(flow), int(flow[schema.FLOW_DPORT])
    point = context.points[int(flow[schema.FLOW_POINT])].name
    syns = int(syns_without_duplicates(context)[silent].sum())
    silent_frames, accepted_frames = (context.first_frames(rows) for rows in (silent, accepted[:2]))
    return Finding(
        NAME,
        "warning",
        SAYS.fill(
            server=endpoint_text(server, port), syns=syns, connections=len(silent), point=point, accepted=len(accepted)
        ),
        FIX.fill(),
        {
            "server": server, "port": port, "point": point, "connections": len(silent), "syns": syns,
            "accepted": len(accepted),
        },
        [*sorted((*silent_frames[: MAX_EVIDENCE - 2], *accepted_frames)), *silent_frames],
    )  # fmt: skip
