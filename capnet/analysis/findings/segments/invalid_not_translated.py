"""invalid-not-translated: a host resets a container's connection, because it did not translate one segment.

Looks at: RSTs in translated TCP connections that only the outer point shows, with the TTL of a packet that was not
forwarded, at once after a segment to the same port that the inner point does not show. Connection tracking calls a
segment outside of the window INVALID and does not translate it; the host's own stack has no such connection. If only
the outer point was captured, the segment must begin beyond the window, and the finding is a warning.
Says: which connection the host reset, and how far ahead the segment was.
Wrong when: a rule of the host with `REJECT --reject-with tcp-reset` matched this one segment.
Fix: drop INVALID packets in INPUT, or make connection tracking accept them (`nf_conntrack_tcp_be_liberal`).
Verify: `conntrack -S` (invalid); `iptables -vnL INPUT` counts at the rule for `--ctstate INVALID`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_among, is_one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import INITIAL_TTLS, destination, ports, replies, source
from capnet.analysis.core.results import Finding
from capnet.analysis.core.schema import FlowMask, Observations, PerFlow, Values
from capnet.analysis.core.wording import Text, endpoint_text, finding_name
from capnet.analysis.correlate.link_building import flow_links
from capnet.quick_tuple import NamedTuple
from capnet.wire.numbers import TCP, TCP_RST

NAME = finding_name(__name__)
LEVELS = ("error", "warning")
SCENARIO = None  # no stack of the lab sends segments outside of the window
WITNESS = "pcaps/bridge.pcapng"  # connections that the containers end themselves
EXPLAINS = ("connection-cut", "packet-loss", "sequence-gap", "retransmissions", "reset-in-session")

PAGE_ZH = """主机重置了容器的连接，因为有一个段没有被转换。

检查：经过转换的 TCP 连接中，只有外侧抓包点显示、TTL 表明未经转发的 RST，紧跟在发往同一端口、内侧抓包点没有的段之
后。连接跟踪把窗口之外的段判为 INVALID，不做转换；主机自己的协议栈没有这个连接。如果只抓了外侧，该段必须从窗口之外开
始，并且为警告。
结论：主机重置了哪个连接，该段超前多少。
误判：主机上某条带 `REJECT --reject-with tcp-reset` 的规则匹配了这一个段。
处理：在 INPUT 中丢弃 INVALID 的包，或让连接跟踪接受它们（`nf_conntrack_tcp_be_liberal`）。
验证：`conntrack -S`（invalid）；`iptables -vnL INPUT` 中 `--ctstate INVALID` 规则的计数。
"""

SAYS = Text(
    en="the host reset {connection} itself at {point}: a segment{ahead} had not been translated{behind}",
    zh="主机自己在 {point} 重置了 {connection}：一个段{ahead}没有被转换{behind}",
)
AHEAD = Text(en=" {octets:byte} ahead of the last one", zh="（比上一个超前 {octets:,} 字节）")
BEHIND = Text(en=", and neither it nor the RST was seen at {inside}", zh="，它和 RST 在 {inside} 都没有出现")
FIX = Text(
    en="`iptables -I INPUT -m conntrack --ctstate INVALID -j DROP` on the host, or `sysctl -w "
    "net.netfilter.nf_conntrack_tcp_be_liberal=1`: a segment outside of the window is INVALID and reaches the host's "
    "own stack, which knows no such connection",
    zh="在主机上执行 `iptables -I INPUT -m conntrack --ctstate INVALID -j DROP`，或 `sysctl -w "
    "net.netfilter.nf_conntrack_tcp_be_liberal=1`：窗口之外的段被判为 INVALID，到了主机自己的协议栈，而那里没有这"
    "个连接",
)

MAX_RST_DELAY_NS = 5_000_000  # a stack answers within microseconds; a busy host may take milliseconds
MIN_OCTETS_AHEAD = 1 << 16  # the largest window without scaling: what is lost within a window is no further
MAX_FORWARD_HOPS = 2  # by which a host lowers the TTL of its containers' packets: once, in a network of networks twice
MAX_SUSPECTS = 200  # flows that are looked at one by one


class _Reset(NamedTuple):
    """A host's own RST: flow row, row of the other direction, row inside or -1, bytes ahead, two frames."""

    row: int
    reply: int
    inside: int
    ahead: int
    segment_frame: int
    rst_frame: int


def diagnose(context: Context) -> list[Finding]:
    by_connection: dict[str, Finding] = {}
    for reset in sorted(_resets(context), key=lambda reset: (reset.inside < 0, reset.row)):
        finding = _finding(context, reset)
        by_connection.setdefault(str(finding.facts["connection"]), finding)  # another point shows the same RST
    return [by_connection[connection] for connection in sorted(by_connection)]


def _resets(context: Context) -> Iterator[_Reset]:
    flows, answers = context.flows, replies(context)
    if context.sample_share < 1.0:
        return  # what is not in a sample is not missing
    inside, back_inside = _inner_rows(context)
    suspects = np.flatnonzero(_has_two_ttls(context) & (answers >= 0))[:MAX_SUSPECTS]
    rows = np.concatenate((suspects, answers[suspects], inside[suspects], back_inside[answers[suspects]]))
    observations = context.observations[is_among(context.observations[:, schema.OBS_FLOW], rows)]
    for row in suspects.tolist():
        inner = int(inside[row])
        if inner >= 0 and flows[inner, schema.FLOW_TCP_FLAGS] & TCP_RST:
            continue  # the container reset it
        reset = _of_flow(observations, row, int(answers[row]), inner, int(back_inside[answers[row]]))
        if reset is not None:
            yield reset


def _has_two_ttls(context: Context) -> FlowMask:
    """Per flow: a TCP connection with data and an RST, of which most packets were forwarded and one was not?"""
    flows, answers = context.flows, replies(context)
    highest = flows[:, schema.FLOW_TTL_MAX]
    hops = highest - flows[:, schema.FLOW_TTL_MIN]
    is_suspect = (flows[:, schema.FLOW_PROTO] == TCP) & (flows[:, schema.FLOW_TCP_FLAGS] & TCP_RST > 0)
    is_suspect &= is_one_of(highest, INITIAL_TTLS) & (hops > 0) & (hops <= MAX_FORWARD_HOPS)
    is_suspect &= flows[:, schema.FLOW_TCP_FLAGS] & schema.USED_AGAIN == 0
    has_data: FlowMask = (flows[:, schema.FLOW_PAYLOAD] > 0) | (flows[answers, schema.FLOW_PAYLOAD] > 0)
    return is_suspect & has_data


def _inner_rows(context: Context) -> tuple[PerFlow, PerFlow]:
    """Per flow, the row of its packets before a translation of the source, and behind one of the destination; or -1."""
    flows, links = context.flows, flow_links(context)
    before, behind = (np.full(len(flows), -1) for _ in range(2))
    for rows, of, columns in (
        (before, links.before, schema.FLOW_SRC),
        (behind, links.after, schema.FLOW_DST),
    ):
        linked = np.flatnonzero(of >= 0)
        ends = flows[links.source[of[linked]]], flows[links.target[of[linked]]]
        is_rewritten = (ends[0][:, columns] != ends[1][:, columns]).any(axis=1)
        is_rewritten &= ends[0][:, schema.FLOW_POINT] != ends[1][:, schema.FLOW_POINT]
        inner = links.source if of is links.before else links.target
        rows[linked[is_rewritten]] = inner[of[linked[is_rewritten]]]
    return before, behind


def _of_flow(observations: Observations, row: int, reply: int, inside: int, back_inside: int) -> _Reset | None:
    """The host's RST in a flow, if there is one at once after a segment that was not translated."""
    sent, came = _of_row(observations, row), _of_row(observations, reply)
    own = np.flatnonzero(sent[:, schema.OBS_TTL] == sent[:, schema.OBS_TTL].max())
    if len(own) != 1 or sent[own[0], schema.OBS_BYTES] != 0:
        return None  # an RST has no data
    rst = sent[own[0]]
    before = came[(came[:, schema.OBS_TIME] <= rst[schema.OBS_TIME])]
    if not len(before) or rst[schema.OBS_TIME] - before[-1, schema.OBS_TIME] > MAX_RST_DELAY_NS:
        return None
    segment, ahead = before[-1], _octets_ahead(before)
    if inside >= 0 and back_inside >= 0:
        digests = observations[is_one_of(observations[:, schema.OBS_FLOW], (inside, back_inside)), schema.OBS_DIGEST]
        if is_among(np.array([segment[schema.OBS_DIGEST], rst[schema.OBS_DIGEST]]), digests).any():
            return None
        times = sent[:, schema.OBS_TIME]
        if ahead <= 0 and not (times > rst[schema.OBS_TIME]).any():
            return None  # the entry may have been gone as a whole
    elif ahead < MIN_OCTETS_AHEAD:
        return None
    return _Reset(row, reply, inside, ahead, int(segment[schema.OBS_FRAME]), int(rst[schema.OBS_FRAME]))


def _of_row(observations: Observations, row: int) -> Observations:
    """The observations of a flow row in order."""
    rows = observations[observations[:, schema.OBS_FLOW] == row]
    return rows[np.argsort(rows[:, schema.OBS_SEQ], kind="stable")]


def _octets_ahead(segments: Values) -> int:
    """By how many bytes the last segment begins behind the end of those before it; 0 or less in the normal case."""
    if len(segments) < 2:
        return 0
    numbers, sizes = segments[:, schema.OBS_FROM], segments[:, schema.OBS_BYTES]
    ends = (numbers + sizes - numbers[0] + (1 << 31)) % (1 << 32)
    begin = (numbers[-1] - numbers[0] + (1 << 31)) % (1 << 32)
    return int(begin - ends[:-1].max())


def _finding(context: Context, reset: _Reset) -> Finding:
    flows = context.flows
    row = flows[reset.row]
    sport, dport = ports(row)
    client, server = endpoint_text(source(row), sport), endpoint_text(destination(row), dport)
    connection = f"{client} → {server}"
    point = context.points[int(row[schema.FLOW_POINT])].name
    inside = context.points[int(flows[reset.inside, schema.FLOW_POINT])].name if reset.inside >= 0 else None
    evidence = [context.flow_evidence(reset.row, frame) for frame in (reset.segment_frame, reset.rst_frame)]
    if reset.inside >= 0:
        evidence.append(context.first_frame(reset.inside))
    return Finding(
        NAME,
        "error" if inside else "warning",
        SAYS.fill(
            connection=connection,
            point=point,
            ahead=AHEAD.fill(octets=reset.ahead) if reset.ahead > 0 else "",
            behind=BEHIND.fill(inside=inside) if inside else "",
        ),
        FIX.fill(),
        {"connection": connection, "point": point, "inside": inside, "octets_ahead": max(reset.ahead, 0)},
        sorted(evidence),
    )
