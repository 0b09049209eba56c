"""dns-slow: a name server takes longer than a second for its answers.

Looks at: lookups by UDP, the time from a question to its answer at the first point that shows it. A server counts if at
least three of its answers, for different questions, took longer than 1 s. Where a question was sent again and fewer
answers came, one was lost, and the time counts from the last question.
Says: how many answers of which server were slow, and how slow.
Wrong when: the network between this point and the server is slow, not the server.
Fix: look at the servers that it asks in turn, and cache nearer to the client.
Verify: `dig @SERVER NAME` on the server's own host: its query time is without the network.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import MAX_EVIDENCE, Evidence, Finding
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.facts.transport.dns_lookups import DnsLookup, dns_lookups

NAME = finding_name(__name__)
LEVELS = ("warning",)
SCENARIO = "fault dns-slow"
WITNESS = "pcaps/bridge-user-defined.pcapng"  # answers within milliseconds
EXPLAINS = ()

PAGE_ZH = """名称服务器用一秒以上才应答。

检查：UDP 查询在最先看到它的抓包点上，从查询到应答的时间。一台服务器至少有三个不同查询的应答超过 1 秒才算。查询重发
而应答较少时，说明丢了一个，时间从最后一次查询算起。
结论：哪台服务器有多少个应答慢，有多慢。
误判：慢的是该抓包点与服务器之间的网络，而不是服务器。
处理：检查它的上游服务器，并在离客户端更近处缓存。
验证：在服务器自己的主机上 `dig @SERVER NAME`：其查询时间不含网络。
"""

SAYS = Text(
    en="the name server {server} took more than 1 s for {slow} of {answers:answer} to {clients}: median {median} s, "
    "longest {worst} s",
    zh="名称服务器 {server} 给 {clients} 的 {answers} 个应答中，有 {slow} 个用了 1 秒以上：中位数 {median} "
    "秒，最长 {worst} 秒",
)
FIX = Text(
    en="look at the servers that {server} asks in turn (its forwarders), and cache names nearer to the clients "
    "(dnsmasq, node-local DNS)",
    zh="检查 {server} 转发查询的上游服务器，并在离客户端更近处缓存名称（dnsmasq、node-local DNS）",
)

MIN_SLOW_NS = 1_000_000_000  # resolvers wait 1 s (options timeout:1) to 5 s, then they ask again
MIN_ANSWERS = 3  # slow ones: a name that is not cached takes its time once


def diagnose(context: Context) -> list[Finding]:
    by_server: dict[str, list[DnsLookup]] = {}
    for lookup in dns_lookups(context):
        if lookup.is_first_hop and lookup.answers:
            by_server.setdefault(lookup.server, []).append(lookup)
    findings = []
    for server, lookups in sorted(by_server.items()):
        waits = sorted(_wait_ns(lookup) for lookup in lookups if _wait_ns(lookup) > MIN_SLOW_NS)
        if len(waits) >= MIN_ANSWERS:
            findings.append(_finding(context, server, lookups, waits))
    return findings


def _wait_ns(lookup: DnsLookup) -> int:
    """To the first answer: from the first question if each was answered, so that none was lost, else from the last."""
    answer = lookup.answers[0].time
    if len(lookup.answers) >= len(lookup.asked):
        return answer - lookup.asked[0]
    return answer - max((time for time in lookup.asked if time <= answer), default=answer)


def _finding(context: Context, server: str, lookups: list[DnsLookup], waits: list[int]) -> Finding:
    slow = [lookup for lookup in lookups if _wait_ns(lookup) > MIN_SLOW_NS]
    clients = sorted({lookup.client for lookup in slow})
    evidence: list[Evidence] = [frame for lookup in slow for frame in lookup.evidence(context)]
    median, worst = (round(wait / 1e9, 1) for wait in (waits[len(waits) // 2], waits[-1]))
    return Finding(
        NAME,
        "warning",
        SAYS.fill(
            server=server, slow=len(slow), answers=len(lookups), clients=several(clients), median=median, worst=worst
        ),
        FIX.fill(server=server),
        {
            "server": server, "answers": len(lookups), "slow": len(slow), "median_s": median, "worst_s": worst,
            "clients": clients[:MAX_EVIDENCE], "names": sorted({lookup.name or "" for lookup in slow})[:MAX_EVIDENCE],
        },
        sorted(evidence)[:MAX_EVIDENCE],
    )  # fmt: skip
