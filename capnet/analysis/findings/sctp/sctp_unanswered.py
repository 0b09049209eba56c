"""sctp-unanswered: INITs of SCTP to a server are sent again, and nothing answers.

Looks at: SCTP flows of INITs alone, sent again after a second or more, that no packet and no ICMP error answers at any
point. Not where the captures show the next point on their way (`stops-between`).
Says: who asks which server in vain, how often, where the INITs were last seen, and whether the server accepts other
associations.
Wrong when: the answers took a way that was not captured.
Fix: where no program listens, a host answers with ABORT, and a kernel without SCTP with ICMP. Silence is a filter that
knows TCP and UDP alone, a port that is published for TCP, or a server that is down.
Verify: capture at the server; `iptables -vnL` and `nft list ruleset` count drops; `docker ps` shows `PORT/sctp`.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, source
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.wording import Text, endpoint_text, finding_name, several
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.losses.stopped_flows import hop_evidence
from capnet.analysis.facts.outcomes.associations import Association, associations
from capnet.analysis.fate.answers import quoting_errors
from capnet.analysis.fate.fates import STOPS, fates
from capnet.analysis.fate.next_points import chain_of, is_answered
from capnet.wire.addresses import address_value

NAME = finding_name(__name__)
LEVELS = ("warning",)
SCENARIO = None  # few kernels load SCTP by themselves
WITNESS = "tests/analysis/findings/sctp/recorded/accepted.pcapng"  # an association that is accepted
EXPLAINS = ()

PAGE_ZH = """到服务器的 SCTP INIT 一再重发，没有任何应答。

检查：只有 INIT、一秒以上之后重发的 SCTP 流，在任何抓包点上都没有包或 ICMP 错误应答。不包括抓包显示了其下一个抓包点的
流（`stops-between`）。
结论：谁访问哪个服务器而无应答，多少次，INIT 最后见于哪里，以及该服务器是否接受其他偶联。
误判：应答走了没有抓包的路。
处理：没有程序监听时主机用 ABORT 应答，没有 SCTP 的内核用 ICMP 应答。不作声的是只认识 TCP 和 UDP 的过滤规则，为 TCP 发
布的端口，或停机的服务器。
验证：在服务器上抓包；`iptables -vnL` 和 `nft list ruleset` 有丢弃计数；`docker ps` 显示 `PORT/sctp`。
"""

SAYS = Text(
    en="{inits:SCTP INIT} of {clients} to {server} got no answer; {inits:it was|they were} last seen at {points}{more}",
    zh="{clients} 到 {server} 的 {inits} 个 SCTP INIT 没有应答；最后见于 {points}{more}",
)
OTHERS = Text(en="; the server accepted {accepted:other association}", zh="；该服务器接受了另外 {accepted} 个偶联")
FIX = Text(
    en="let SCTP (IP protocol 132) pass behind {point}: firewalls and NAT often know TCP and UDP alone; a published "
    "port needs `-p {port}:{port}/sctp`",
    zh="在 {point} 之后放行 SCTP（IP 协议 132）：防火墙和 NAT 常常只认识 TCP 和 UDP；发布的端口需要 `-p "
    "{port}:{port}/sctp`",
)

MIN_RETRY_NS = 900_000_000  # RTO.Min is 1 s (RFC 9260 section 16), timers come early


def diagnose(context: Context) -> list[Finding]:
    by_server: dict[tuple[str, int], list[Association]] = {}
    for of in _unanswered(context):
        row = context.flows[int(chain_of(context)[of.row])]
        by_server.setdefault((destination(row), int(row[schema.FLOW_DPORT])), []).append(of)
    order = sorted(by_server, key=lambda server: (address_value(server[0]), server[1]))
    return [_finding(context, *server, by_server[server]) for server in order]


def _unanswered(context: Context) -> list[Association]:
    """At the last point of each chain."""
    asked = associations(context)
    rows = np.array([of.row for of in asked], dtype=np.int64)
    if not len(rows):
        return []
    flows, chain, outcome = context.flows, chain_of(context), fates(context)
    is_told = np.zeros(len(flows), dtype=bool)
    is_told[chain[quoting_errors(context) >= 0]] = True
    is_told[chain[outcome.last[outcome.state == STOPS]]] = True
    is_silent = ~is_answered(context)[rows] & ~is_told[chain[rows]] & (flow_links(context).after[rows] < 0)
    is_silent &= flows[rows, schema.FLOW_LAST] - flows[rows, schema.FLOW_FIRST] >= MIN_RETRY_NS
    is_silent &= flows[rows, schema.FLOW_PACKETS] == [of.asked.packets for of in asked]
    return [asked[number] for number in np.flatnonzero(is_silent).tolist()]


def _finding(context: Context, address: str, port: int, unanswered: list[Association]) -> Finding:
    flows, chain = context.flows, chain_of(context)
    rows = [of.row for of in unanswered]
    clients = sorted({source(flows[chain[row]]) for row in rows}, key=address_value)
    points = sorted({context.points[int(flows[row, schema.FLOW_POINT])].name for row in rows})
    accepted = {
        int(chain[of.row])
        for of in associations(context)
        if of.accepted is not None and (destination(flows[chain[of.row]]), of.asked.dport) == (address, port)
    }
    inits = sum(of.asked.packets for of in unanswered)
    return Finding(
        NAME,
        "warning",
        SAYS.fill(
            inits=inits, clients=several(clients), server=endpoint_text(address, port), points=several(points),
            more=OTHERS.fill(accepted=len(accepted)) if accepted else "",
        ),
        FIX.fill(point=points[0], port=port),
        {
            "clients": clients[:MAX_EVIDENCE], "server": address, "port": port, "points": points[:MAX_EVIDENCE],
            "inits": inits, "accepted": len(accepted),
        },
        hop_evidence(context, rows),
    )  # fmt: skip
