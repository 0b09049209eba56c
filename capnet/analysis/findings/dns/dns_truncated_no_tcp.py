"""dns-truncated-no-tcp: an answer is too long for UDP, and the name server is not reached by TCP.

Looks at: DNS answers that are marked as truncated (RFC 1035 section 4.2.1), and connections of the same client to TCP
port 53 of the same server afterwards: none may be accepted, and SYNs must be repeated or refused (RFC 7766 section 5).
Says: which names, which server, and whether it refuses or says nothing.
Wrong when: TCP answers pass outside the capture.
Fix: open TCP port 53 beside UDP port 53, and let the name server listen on it.
Verify: `nsenter -t PID -n dig +tcp @SERVER NAME`.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import MIN_SYN_RETRY_NS, destination, replies, source
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.schema import FlowRows
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.correlate.duplicates import syns_without_duplicates
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.transport.dns_lookups import DnsLookup, dns_lookups
from capnet.quick_tuple import NamedTuple
from capnet.wire.numbers import PORT_DNS, TCP, TCP_RST

NAME = finding_name(__name__)
LEVELS = ("error",)
SCENARIO = "fault dns-truncated-no-tcp"
WITNESS = "pcaps/bridge-user-defined.pcapng"  # short answers
EXPLAINS = ("connection-unanswered", "handshake-unfinished", "retransmissions")

PAGE_ZH = """应答对 UDP 来说太长，而用 TCP 到不了名称服务器。

检查：标记为截断的 DNS 应答（RFC 1035 4.2.1 节），以及同一客户端随后到同一服务器 TCP 端口 53 的连接：没有一个被接
受，且 SYN 重发或被拒绝（RFC 7766 第 5 节）。
结论：哪些名称，哪台服务器，是拒绝还是无应答。
误判：TCP 应答没有经过抓包点。
处理：除 UDP 端口 53 外也放行 TCP 端口 53，并让名称服务器监听它。
验证：`nsenter -t PID -n dig +tcp @SERVER NAME`。
"""

SAYS = Text(
    en="{server} answered {client} about {names} with a truncated answer; the client then asks by TCP port 53, "
    "and {how}",
    zh="{server} 就 {names} 给 {client} 的应答被截断；客户端随后改用 TCP 端口 53，{how}",
)
SILENT = Text(en="{syns:SYN} get no answer", zh="{syns} 个 SYN 无应答")
REFUSED = Text(en="is refused", zh="被拒绝")
FIX = Text(
    en="open TCP port 53 to {server} beside UDP port 53 (security groups, firewalls, published ports), and let the "
    "name server listen on it; until then `options edns0` in resolv.conf lets longer answers pass by UDP",
    zh="除 UDP 端口 53 外，也放行到 {server} 的 TCP 端口 53（安全组、防火墙、端口映射），并让名称服务器监听它；在此"
    "之前，resolv.conf 中的 `options edns0` 可以让较长的应答通过 UDP",
)


class _Tries(NamedTuple):
    """The connections of one client to TCP port 53 of one server, at the first point that shows them: flow rows."""

    rows: FlowRows
    is_accepted: bool
    is_refused: bool


def diagnose(context: Context) -> list[Finding]:
    truncated: dict[tuple[str, str], list[DnsLookup]] = {}
    for lookup in dns_lookups(context):
        if lookup.is_first_hop and any(answer.is_truncated for answer in lookup.answers):
            truncated.setdefault((lookup.server, lookup.client), []).append(lookup)
    findings = []
    for (server, client), lookups in sorted(truncated.items()):
        since = min(answer.time for lookup in lookups for answer in lookup.answers if answer.is_truncated)
        tries = _tries(context, server, client, since)
        if len(tries.rows) and not tries.is_accepted and (tries.is_refused or _is_repeated(context, tries.rows)):
            findings.append(_finding(context, server, client, lookups, tries))
    return findings


def _tries(context: Context, server: str, client: str, since: int) -> _Tries:
    """`since`: of the first truncated answer, ns."""
    flows, answers = context.flows, replies(context)
    is_dns = (flows[:, schema.FLOW_PROTO] == TCP) & (flows[:, schema.FLOW_DPORT] == PORT_DNS)
    is_dns &= (flows[:, schema.FLOW_SYN_TIME] > since) & (flow_links(context).before < 0)
    rows = np.array(
        [
            row
            for row in np.flatnonzero(is_dns).tolist()
            if (destination(flows[row]), source(flows[row])) == (server, client)
        ],
        dtype=np.int64,
    )
    replied = answers[rows][answers[rows] >= 0]
    is_accepted = bool((flows[replied, schema.FLOW_SYNACK_TIME] >= 0).any())
    is_refused = bool((flows[replied, schema.FLOW_TCP_FLAGS] & TCP_RST != 0).any())
    return _Tries(rows, is_accepted, is_refused)


def _is_repeated(context: Context, rows: FlowRows) -> bool:
    flows = context.flows[rows]
    waits = flows[:, schema.FLOW_SYN_TIME].max() - flows[:, schema.FLOW_FIRST].min()
    return bool(syns_without_duplicates(context)[rows].sum() > 1 and waits >= MIN_SYN_RETRY_NS)


def _finding(context: Context, server: str, client: str, lookups: list[DnsLookup], tries: _Tries) -> Finding:
    names = sorted({lookup.name or "a name" for lookup in lookups})
    syns = int(syns_without_duplicates(context)[tries.rows].sum())
    how = REFUSED.fill() if tries.is_refused else SILENT.fill(syns=syns)
    evidence = [frame for lookup in lookups for frame in lookup.evidence(context)][: MAX_EVIDENCE // 2]
    evidence += context.first_frames(tries.rows)
    return Finding(
        NAME,
        "error",
        SAYS.fill(server=server, client=client, names=several(names), how=how),
        FIX.fill(server=server),
        {
            "server": server, "client": client, "names": names[:MAX_EVIDENCE], "attempts": syns,
            "refused": tries.is_refused,
        },
        sorted(evidence),
    )  # fmt: skip
