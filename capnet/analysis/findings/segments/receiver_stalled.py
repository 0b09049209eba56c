"""receiver-stalled: a receiver stops reading, so that the sender has to wait.

Looks at: TCP segments that offer a window of zero (RFC 9293 section 3.8.6), neither SYN nor RST. The window must stay
closed for 200 ms or longer, and the sender must ask again meanwhile with window probes.
Says: which receiver, how often, for how long, and whether the window opened again.
Wrong when: nothing; how long is too long depends on the program.
Fix: look why the program does not read: it is busy, blocked on its disk or on another server, or limited in its CPU.
Verify: `ss -tnm` in the receiver's namespace shows Recv-Q full; `nstat -az TcpExtTCPToZeroWindowAdv` counts.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import distinct
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, replies, source
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.wording import Text, finding_name
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.transport.tcp_connections import MAX_CONNECTIONS, Segment, has_segments, segments
from capnet.quick_tuple import NamedTuple
from capnet.wire.numbers import TCP_ACK, TCP_RST, TCP_SYN

NAME = finding_name(__name__)
LEVELS = ("warning",)
SCENARIO = None  # the receivers of the scenarios read at once
WITNESS = "pcaps/overlay.pcapng"  # a bulk transfer whose window never closes
EXPLAINS = ("retransmissions",)

PAGE_ZH = """接收方停止读取，发送方只能等待。

检查：通告窗口为零的 TCP 段（RFC 9293 3.8.6 节），不是 SYN 也不是 RST。窗口必须关闭 200 毫秒以上，其间发送方用窗口探
测再次询问。
结论：哪个接收方，多少次，多久，窗口是否再次打开。
误判：没有；多久算太久取决于程序。
处理：检查程序为什么不读取：它很忙，在等待磁盘或另一台服务器，或 CPU 受限。
验证：接收方的命名空间中 `ss -tnm` 显示 Recv-Q 已满；`nstat -az TcpExtTCPToZeroWindowAdv` 有计数。
"""

SAYS = Text(
    en="{receiver} closed its TCP window {stalls:time} to {sender}, {longest} s at longest, {total} s in all{outcome}: "
    "its program does not read",
    zh="{receiver} 对 {sender} 关闭 TCP 窗口 {stalls} 次，最长 {longest} 秒，共 {total} 秒{outcome}：它的程序没有读"
    "取数据",
)
NOT_REOPENED = Text(en=", and did not open it again", zh="，之后没有再打开")
FIX = Text(
    en="the network is not the cause: look why the receiving program does not read (CPU limit, blocked on its disk or "
    "another server, a paused consumer)",
    zh="原因不在网络：检查接收程序为什么不读取（CPU 限制、等待磁盘或另一台服务器、消费者被暂停）",
)

MIN_STALL_NS = 200_000_000  # one retransmission timeout of Linux: shorter ones cost less than a lost packet
MAX_FINDINGS = 20


class _Stall(NamedTuple):
    """A closed window. Times in ns."""

    start: int
    stop: int
    is_open: bool  # it opened again
    frames: list[int]


def diagnose(context: Context) -> list[Finding]:
    if not has_segments(context):
        return []
    control, observations = context.observations[:, schema.OBS_CONTROL], context.observations
    flags_and_window = (TCP_RST | TCP_SYN | TCP_ACK) << 48 | 0xFFFF << 32
    is_closed = (control >= 0) & (control & flags_and_window == TCP_ACK << 48)
    rows = distinct(observations[is_closed, schema.OBS_FLOW])
    rows = rows[(flow_links(context).before[rows] < 0) & (replies(context)[rows] >= 0)]
    by_ends: dict[tuple[str, str], list[tuple[int, _Stall]]] = {}
    for row in rows[:MAX_CONNECTIONS].tolist():
        ends = source(context.flows[row]), destination(context.flows[row])
        by_ends.setdefault(ends, []).extend((row, stall) for stall in _stalls(context, row))
    return [_finding(context, ends, stalls) for ends, stalls in sorted(by_ends.items()) if stalls][:MAX_FINDINGS]


def _stalls(context: Context, row: int) -> list[_Stall]:
    """When the source of a flow row kept its window closed, and the other end asked for more."""
    stalls: list[_Stall] = []
    closed: Segment | None = None
    probes: list[Segment] = []
    for segment in segments(context, row):
        if segment.flags & (TCP_RST | TCP_SYN):
            continue
        if segment.is_reply:
            probes.append(segment)
        elif segment.window and closed:
            stalls += _stall(closed, probes, segment)
            closed = None
        elif not segment.window and not closed:
            closed, probes = segment, []
    return stalls + (_stall(closed, probes, None) if closed else [])


def _stall(closed: Segment, probes: list[Segment], opened: Segment | None) -> list[_Stall]:
    """A list of one stall; of none if it was short or the sender did not wait for it."""
    last = opened or (probes[-1] if probes else closed)
    if not probes or last.time - closed.time < MIN_STALL_NS:
        return []
    frames = [closed.frame, probes[0].frame, *([opened.frame] if opened else [])]
    return [_Stall(closed.time, last.time, opened is not None, frames)]


def _finding(context: Context, ends: tuple[str, str], stalls: list[tuple[int, _Stall]]) -> Finding:
    receiver, sender = ends
    lengths = np.array([stall.stop - stall.start for _, stall in stalls]) / 1e9
    longest, total = round(float(lengths.max()), 1), round(float(lengths.sum()), 1)
    is_open = all(stall.is_open for _, stall in stalls)
    ports = sorted({int(context.flows[row, schema.FLOW_SPORT]) for row, _ in stalls})
    evidence = {context.flow_evidence(row, frame) for row, stall in stalls for frame in stall.frames}
    return Finding(
        NAME,
        "warning",
        SAYS.fill(
            receiver=receiver, sender=sender, stalls=len(stalls), longest=longest, total=total,
            outcome="" if is_open else NOT_REOPENED.fill(),
        ),
        FIX.fill(),
        {
            "receiver": receiver, "sender": sender, "ports": ports[:MAX_EVIDENCE], "stalls": len(stalls),
            "longest_s": longest, "total_s": total, "reopened": is_open,
        },
        sorted(evidence),
    )  # fmt: skip
