"""long-queue: round trips become much longer while a transfer fills a queue, and are short without it.

Looks at: round trips at one point, by pings and by handshakes of TCP, which kernels answer at once. Three or more to
one host take 100 ms more than the shortest one, all of them begin while a transfer of 0.5 Mbit/s or more goes on there,
and two or more in times without a transfer take no longer than 20 ms above the shortest one.
Says: to which host, how long with and without the transfer, and which transfer it is.
Wrong when: the other host itself is overloaded by the transfer.
Fix: shape a little below the rate of the slowest link, with a queue that stays short, where the transfer enters it.
Verify: `tc -s qdisc show dev IFACE` (backlog) on the way while the transfer runs; `ping` beside it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, replies, reply_values, source
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.schema import FlowRows
from capnet.analysis.core.wording import Text, finding_name
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.transport.flow_observations import observations_of
from capnet.analysis.fate.next_points import chain_of
from capnet.quick_tuple import NamedTuple
from capnet.wire.numbers import ICMP, ICMP_ECHO_REQUEST, ICMPV6, ICMPV6_ECHO_REQUEST, TCP, UDP

NAME = finding_name(__name__)
LEVELS = ("warning",)
SCENARIO = None  # nothing in the scenarios is slower than memory
WITNESS = "pcaps/overlay.pcapng"  # a bulk transfer beside which pings stay quick
EXPLAINS = ()

PAGE_ZH = """传输填满队列时往返时间变长很多，没有传输时很短。

检查：一个抓包点上由 ping 和 TCP 握手得到的往返时间，内核会立即应答它们。到一台主机的三个以上往返比最短的多用 100 毫秒，
它们都开始于那里有 0.5 Mbit/s 以上的传输期间，而没有传输时的两个以上往返不超过最短的 20 毫秒。
结论：到哪台主机，有传输和没有传输时各多久，是哪个传输。
误判：传输使另一台主机自身过载。
处理：在传输进入最慢链路之处，以略低于其速率整形，使用保持较短的队列。
验证：传输期间在途中 `tc -s qdisc show dev IFACE`（backlog）；同时 `ping`。
"""

SAYS = Text(
    en="round trips between {client} and {host} take up to {slow_ms} ms while {sender} sends {rate} Mbit/s to "
    "{receiver}, and {fast_ms} ms without that transfer ({slow} of {all} were slow, at {point}): packets wait in a "
    "queue that the transfer fills",
    zh="{sender} 以 {rate} Mbit/s 向 {receiver} 发送时，{client} 和 {host} 之间的往返需要多达 {slow_ms} 毫秒，没有该传"
    "输时为 {fast_ms} 毫秒（{point} 上 {all} 个中有 {slow} 个慢）：包在被该传输填满的队列中等待",
)
FIX = Text(
    en="keep the queue of the slowest link between {sender} and {receiver} short: shape a little below its rate with "
    "fq_codel or cake (`tc qdisc replace dev IFACE root cake bandwidth RATE`) instead of a long FIFO or a tbf with a "
    "large limit; `tc -s qdisc` shows the backlog",
    zh="让 {sender} 和 {receiver} 之间最慢链路的队列保持较短：用 fq_codel 或 cake 以略低于其速率整形（`tc qdisc "
    "replace dev IFACE root cake bandwidth RATE`），而不是长的 FIFO 或 limit 很大的 tbf；`tc -s qdisc` 显示 backlog",
)

MIN_ADDED_NS = 100_000_000  # above the shortest round trip: no wireless link or scheduler adds as much each time
MAX_QUICK_NS = 20_000_000  # above the shortest one, of those without a transfer
MIN_SLOW, MIN_QUICK = 3, 2
MIN_BYTES, MIN_RATE = 200_000, 62_500  # of a transfer; octets a second
MAX_TRANSFERS = 100  # the largest
MAX_FLOWS = 10_000  # that are looked at one by one


class _RoundTrips(NamedTuple):
    """Arrays of one length. Times are ns."""

    row: FlowRows
    begin: np.ndarray
    length: np.ndarray


def diagnose(context: Context) -> list[Finding]:
    transfers = _transfers(context)
    if not len(transfers):
        return []
    groups: dict[tuple[int, str, str], list[tuple[int, int, int]]] = {}
    for row, begin, length in _round_trips(context):
        flow = context.flows[row]
        key = int(flow[schema.FLOW_POINT]), source(flow), destination(flow)
        groups.setdefault(key, []).append((row, begin, length))
    # All that waits in one queue is one cause: of each transfer, the hosts with the most slow round trips.
    queues: dict[int, tuple[int, Finding]] = {}
    for key, trips in sorted(groups.items()):
        if len(trips) >= MIN_SLOW + MIN_QUICK:
            columns = (np.array(column) for column in zip(*trips, strict=True))
            for chain, slow, finding in _findings(context, key, _RoundTrips(*columns), transfers):
                if chain not in queues or slow > queues[chain][0]:
                    queues[chain] = slow, finding
    return [finding for _, (_, finding) in sorted(queues.items())]


def _transfers(context: Context) -> FlowRows:
    """Flows outside of tunnels that send much for a while."""
    flows = context.flows
    seconds = (flows[:, schema.FLOW_LAST] - flows[:, schema.FLOW_FIRST]) / 1e9
    is_large = is_one_of(flows[:, schema.FLOW_PROTO], (TCP, UDP)) & (flows[:, schema.FLOW_BYTES] >= MIN_BYTES)
    is_large &= (flows[:, schema.FLOW_VIA] == 0) & (flows[:, schema.FLOW_BYTES] >= MIN_RATE * seconds)
    rows = np.flatnonzero(is_large)
    return rows[np.argsort(-flows[rows, schema.FLOW_BYTES], kind="stable")[:MAX_TRANSFERS]]


def _round_trips(context: Context) -> Iterator[tuple[int, int, int]]:
    """Row, begin and length of handshakes without a repeated SYN, and of pings that are all answered."""
    flows, answers = context.flows, replies(context)
    synack = np.where(answers >= 0, reply_values(context, schema.FLOW_SYNACK_TIME), -1)
    is_shaken = (flows[:, schema.FLOW_SYNS] == 1) & (synack >= flows[:, schema.FLOW_SYN_TIME])
    is_first = (flow_links(context).before < 0) & (flows[:, schema.FLOW_VIA] == 0)
    for row in np.flatnonzero(is_shaken & is_first)[:MAX_FLOWS].tolist():
        begin = int(flows[row, schema.FLOW_SYN_TIME])
        yield row, begin, int(synack[row]) - begin
    kind = flows[:, schema.FLOW_KIND] >> 8
    is_echo = (flows[:, schema.FLOW_PROTO] == ICMP) & (kind == ICMP_ECHO_REQUEST)
    is_echo |= (flows[:, schema.FLOW_PROTO] == ICMPV6) & (kind == ICMPV6_ECHO_REQUEST)
    is_echo &= answers >= 0
    for row in np.flatnonzero(is_echo & is_first)[:MAX_FLOWS].tolist():
        asked, answered = (observations_of(context, each)[:, schema.OBS_TIME] for each in (row, int(answers[row])))
        if len(asked) == len(answered):  # then the k-th reply is that to the k-th request
            for begin, end in zip(asked.tolist(), answered.tolist(), strict=True):
                yield row, begin, end - begin


def _findings(
    context: Context, key: tuple[int, str, str], trips: _RoundTrips, transfers: FlowRows
) -> Iterator[tuple[int, int, Finding]]:
    """The chain of the transfer, how many round trips are slow, and the finding; none if they are not slow by it."""
    point, client, host = key
    flows = context.flows
    shortest = int(trips.length.min())
    is_slow = trips.length >= shortest + MIN_ADDED_NS
    if is_slow.sum() < MIN_SLOW:
        return
    beside_rows = transfers[flows[transfers, schema.FLOW_POINT] == point]
    goes_on = (flows[beside_rows, schema.FLOW_FIRST][:, None] <= trips.begin) & (
        flows[beside_rows, schema.FLOW_LAST][:, None] >= trips.begin
    )
    is_loaded = goes_on.any(axis=0)
    quick = ~is_loaded & (trips.length <= shortest + MAX_QUICK_NS)
    if not len(beside_rows) or quick.sum() < MIN_QUICK or (is_slow & ~is_loaded).any():
        return
    # Of several transfers, the one beside which most are slow, then the largest.
    beside = (goes_on & is_slow).sum(axis=1)
    row = int(beside_rows[np.lexsort((-flows[beside_rows, schema.FLOW_BYTES], -beside))[0]])
    flow = flows[row]
    seconds = max(int(flow[schema.FLOW_LAST] - flow[schema.FLOW_FIRST]), 1) / 1e9
    sender, receiver = source(flow), destination(flow)
    slow_ms, fast_ms = round(int(trips.length.max()) / 1e6, 1), round(float(np.median(trips.length[quick])) / 1e6, 2)
    rate = round(8 * int(flow[schema.FLOW_BYTES]) / seconds / 1e6, 1)
    name = context.points[point].name
    rows = [row, *trips.row[is_slow].tolist()]
    finding = Finding(
        NAME,
        "warning",
        SAYS.fill(
            client=client, host=host, slow_ms=slow_ms, fast_ms=fast_ms, sender=sender, receiver=receiver, rate=rate,
            slow=int(is_slow.sum()), all=len(trips.row), point=name,
        ),
        FIX.fill(sender=sender, receiver=receiver),
        {
            "client": client, "host": host, "point": name, "slow_ms": slow_ms, "fast_ms": fast_ms, "sender": sender,
            "receiver": receiver, "mbit_s": rate, "slow": int(is_slow.sum()), "round_trips": len(trips.row),
        },
        sorted(set(context.first_frames(np.array(sorted(set(rows))))))[:MAX_EVIDENCE],
    )  # fmt: skip
    yield int(chain_of(context)[row]), int(is_slow.sum()), finding
