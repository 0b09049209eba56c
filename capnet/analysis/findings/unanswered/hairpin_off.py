"""hairpin-off: a station does not reach itself by the address of a service.

Looks at: TCP connections whose destination was translated to the address of their own client: source and destination
are equal, or the source was masqueraded as well; repeated and without an answer. Not: loopback interfaces, equal ports
(a forged packet), a translated SYN that was seen at the client's own interface with another source.
Says: who calls itself, by which address, where the translated SYNs were seen, and how many.
Wrong when: the server behind it hangs for every client.
Fix: the packets would have to leave a bridge by the port that they came in by, and to come from another address.
Masquerade them, and let the port do so (hairpin mode).
Verify: `sysctl net.bridge.bridge-nf-call-iptables`; `bridge -d link show dev VETH` shows `hairpin on`.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, is_private, ports, source
from capnet.analysis.core.results import Finding
from capnet.analysis.core.schema import FlowMask, FlowTable, Mask
from capnet.analysis.core.wording import Text, endpoint_text, finding_name
from capnet.analysis.correlate.duplicates import packets_without_duplicates
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.fate.interface_points import interface_points
from capnet.analysis.fate.next_points import is_answered
from capnet.quick_tuple import NamedTuple
from capnet.wire.numbers import TCP

NAME = finding_name(__name__)
LEVELS = ("error",)
SCENARIO = "fault hairpin-off"
WITNESS = "pcaps/bridge-hairpin-noproxy.pcapng"  # containers reach each other by published ports
EXPLAINS = (
    "connection-unanswered", "handshake-unfinished", "published-port-blocked", "retransmissions", "stops-between",
)  # fmt: skip

PAGE_ZH = """站点用服务地址访问不到自己。

检查：目的地址被转换成客户端自己地址的 TCP 连接：源和目的相同，或源也经过 MASQUERADE；重发且无应答。不包括：loopback
接口、相同的端口（伪造的包）、在客户端自己的接口上以另一个源看到的转换后的 SYN。
结论：谁访问自己，用哪个地址，在哪里看到转换后的 SYN，多少个。
误判：它后面的服务器对所有客户端都挂起。
处理：这些包要从进来的端口离开网桥，并且要来自另一个地址。对它们做 MASQUERADE，并让端口允许（hairpin 模式）。
验证：`sysctl net.bridge.bridge-nf-call-iptables`；`bridge -d link show dev VETH` 显示 `hairpin on`。
"""

SAYS = Text(
    en="{client} calls itself{by}: {attempts:SYN}, translated to {source} → {service} at {point}, get no answer",
    zh="{client} 访问自己{by}：{attempts} 个 SYN 在 {point} 被转换为 {source} → {service}，没有应答",
)
BY = Text(en=" by {published}", zh="（经 {published}）")
FIX = Text(
    en="`bridge link set dev VETH hairpin on` for its port of the bridge (Kubernetes: hairpinMode), as needed where "
    "`sysctl net.bridge.bridge-nf-call-{tables}` is 1{masquerade}",
    zh="对它在网桥上的端口执行 `bridge link set dev VETH hairpin on`（Kubernetes：hairpinMode），在 `sysctl "
    "net.bridge.bridge-nf-call-{tables}` 为 1 时需要{masquerade}",
)
MASQUERADE = Text(
    en="; masquerade what it sends to itself, unless a rule does (`{tables} -t nat -A POSTROUTING -s {client} "
    "-d {client} -j MASQUERADE`)",
    zh="；如果没有规则这样做，对它发给自己的包做 MASQUERADE（`{tables} -t nat -A POSTROUTING -s {client} -d {client}"
    " -j MASQUERADE`）",
)

MIN_ATTEMPTS = 2  # SYNs: one alone may get its answer after the capture
MAX_FLOWS = 10_000


class _Attempt(NamedTuple):
    """A flow to itself: its row, and the row before the translation, -1 if that was not seen."""

    row: int
    before: int


def diagnose(context: Context) -> list[Finding]:
    by_service: dict[tuple[str, int], list[_Attempt]] = {}
    for attempt in [*_masqueraded(context), *_to_themselves(context)]:
        flow = context.flows[attempt.row]
        by_service.setdefault((destination(flow), ports(flow)[1] or 0), []).append(attempt)
    findings = (_finding(context, attempts) for _, attempts in sorted(by_service.items()))
    return [finding for finding in findings if finding is not None]


def _finding(context: Context, attempts: list[_Attempt]) -> Finding | None:
    """What is said of attempts to reach one address and port, or None if there are too few."""
    flows = context.flows
    attempts = sorted(attempts, key=lambda attempt: int(flows[attempt.row, schema.FLOW_FIRST]))
    rows = [attempt.row for attempt in attempts]
    counts = packets_without_duplicates(context)
    count = int(np.bincount(flows[rows, schema.FLOW_POINT], weights=counts[rows]).max())
    if count < MIN_ATTEMPTS:
        return None
    flow = flows[rows[0]]
    client, port, tables = destination(flow), ports(flow)[1], "ip6tables" if ":" in destination(flow) else "iptables"
    before = next((flows[attempt.before] for attempt in attempts if attempt.before >= 0), None)
    is_masqueraded = source(flow) != client
    evidence = sorted(context.first_frames(rows))
    return Finding(
        NAME,
        "error",
        SAYS.fill(
            client=client, attempts=count, source=source(flow), service=endpoint_text(client, port),
            by="" if before is None else BY.fill(published=endpoint_text(destination(before), ports(before)[1])),
            point=context.points[int(flow[schema.FLOW_POINT])].name,
        ),
        FIX.fill(
            tables=tables, masquerade="" if is_masqueraded else MASQUERADE.fill(client=client, tables=tables)
        ),
        {
            "client": client, "port": port, "attempts": count, "masqueraded": is_masqueraded,
            "service": None if before is None else destination(before),
        },
        evidence,
    )  # fmt: skip


def _to_themselves(context: Context) -> list[_Attempt]:
    """Unanswered connections from an address to itself, on a link that has MACs."""
    flows, links = context.flows, flow_links(context)
    is_candidate = _is_unanswered(context) & (flows[:, schema.FLOW_SMAC] > 0)
    for source_half, destination_half in zip(schema.FLOW_SRC, schema.FLOW_DST, strict=True):
        is_candidate &= flows[:, source_half] == flows[:, destination_half]
    is_candidate &= flows[:, schema.FLOW_SPORT] != flows[:, schema.FLOW_DPORT]
    attempts = []
    for row in np.flatnonzero(is_candidate)[:MAX_FLOWS].tolist():
        if is_private(source(flows[row])):
            before = row
            while links.before[before] >= 0 and _is_same_destination(flows, before, row):
                before = int(links.source[links.before[before]])
            attempts.append(_Attempt(row, -1 if _is_same_destination(flows, before, row) else before))
    return attempts


def _masqueraded(context: Context) -> list[_Attempt]:
    """Unanswered connections whose destination became their own source, while the source became another one."""
    flows, links = context.flows, flow_links(context)
    source_rows, target_rows = links.source, links.target
    sources, destinations = flows[source_rows[:, None], schema.FLOW_SRC], flows[target_rows[:, None], schema.FLOW_DST]
    is_turned = (sources == destinations).all(axis=1)
    is_turned &= ~_is_equal(flows, source_rows) & ~_is_equal(flows, target_rows)
    is_turned &= _is_unanswered(context)[source_rows] & _is_unanswered(context)[target_rows]
    homes = interface_points(context)
    pairs = zip(target_rows[is_turned].tolist(), source_rows[is_turned].tolist(), strict=True)
    return [
        _Attempt(row, before)
        for row, before in list(pairs)[:MAX_FLOWS]
        if int(flows[row, schema.FLOW_POINT]) not in homes.get(int(flows[row, schema.FLOW_DMAC]), ())
    ]


def _is_unanswered(context: Context) -> FlowMask:
    flows = context.flows
    return (flows[:, schema.FLOW_PROTO] == TCP) & (flows[:, schema.FLOW_SYNS] > 0) & ~is_answered(context)


def _is_equal(flows: FlowTable, rows: np.ndarray) -> Mask:
    equal: Mask = (flows[rows[:, None], schema.FLOW_SRC] == flows[rows[:, None], schema.FLOW_DST]).all(axis=1)
    return equal


def _is_same_destination(flows: FlowTable, first: int, second: int) -> bool:
    return bool((flows[first, schema.FLOW_DST] == flows[second, schema.FLOW_DST]).all())
