"""dns-type-unanswered: a name server answers questions for one record type, and never those for another one.

Looks at: questions for a type, such as AAAA, that a server leaves unanswered whenever it is asked, and that clients
repeat within a minute, while it answers questions for another type, of which one is for a name that is asked for both.
Says: which server, which type it never answers, how many questions of whom, and how long the clients waited.
Wrong when: the answers are large, and are lost for their size.
Fix: let the server, or the filter before it, answer: for a name without such a record, without one (RFC 4074).
Verify: `nsenter -t PID -n dig @SERVER NAME AAAA` times out, and `dig @SERVER NAME A` does not.
"""

from __future__ import annotations

from itertools import pairwise

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.facts.transport.dns_lookups import DnsLookup, dns_lookups
from capnet.wire.addresses import address_value

NAME = finding_name(__name__)
LEVELS = ("warning",)
SCENARIO = "fault dns-type-unanswered"
WITNESS = "pcaps/faults/dns-failure.pcapng"  # a server that answers no question at all
EXPLAINS = ("dns-slow",)

PAGE_ZH = """名称服务器应答一种记录类型的查询，而从不应答另一种。

检查：某种类型（例如 AAAA）的查询，服务器每次都不应答，客户端在一分钟内一再重发；而它应答另一种类型的查询，其中有一个
名称两种类型都被查询过。
结论：哪台服务器，它从不应答哪种类型，谁的多少个查询，客户端等待了多久。
误判：应答很大，因此丢失。
处理：让服务器或它前面的过滤规则应答：没有这种记录的名称也应得到一个不含记录的应答（RFC 4074）。
验证：`nsenter -t PID -n dig @SERVER NAME AAAA` 超时，而 `dig @SERVER NAME A` 不超时。
"""

SAYS = Text(
    en="{server} answers questions for {answered} and never those for {type}: {questions:question} of {clients} got no "
    "answer, and were repeated for up to {seconds} s",
    zh="{server} 应答 {answered} 查询，而从不应答 {type} 查询：{clients} 的 {questions} 个查询没有应答，重发了最多 "
    "{seconds} 秒",
)
FIX = Text(
    en="let {server}, or the filter before it, answer questions for {type}, if only without a record (RFC 4074)",
    zh="让 {server} 或它前面的过滤规则应答 {type} 查询，即使应答中没有记录（RFC 4074）",
)
UNTIL_THEN = Text(
    en="; until then `options no-aaaa` (glibc 2.36) in the clients' resolv.conf",
    zh="；在此之前，在客户端的 resolv.conf 中设置 `options no-aaaa`（glibc 2.36）",
)

MIN_RETRY_NS = 950_000_000  # resolv.conf(5): the shortest timeout is 1 s
MAX_RETRY_NS = 60_000_000_000  # resolvers give up sooner: what is asked after that is a new question
MIN_ANSWERED = 2  # questions for the other type: one answer may come by chance


def diagnose(context: Context) -> list[Finding]:
    by_server: dict[tuple[int, str], dict[str, list[DnsLookup]]] = {}
    for lookup in dns_lookups(context):
        if lookup.is_first_hop and lookup.name:
            types = by_server.setdefault((lookup.point, lookup.server), {})
            types.setdefault(lookup.type_name, []).append(lookup)
    findings: dict[tuple[str, str], Finding] = {}
    for (_, server), types in sorted(by_server.items()):
        for type_name, lookups in sorted(types.items()):
            finding = _of_type(context, server, type_name, lookups, types)
            if finding is not None:
                findings.setdefault((server, type_name), finding)
    return list(findings.values())


def _of_type(
    context: Context, server: str, type_name: str, lookups: list[DnsLookup], types: dict[str, list[DnsLookup]]
) -> Finding | None:
    """The finding on a type that a server never answers at one point."""
    seconds = _longest_wait_ns(lookups) / 1e9
    if any(lookup.answers for lookup in lookups) or seconds < MIN_RETRY_NS / 1e9:
        return None
    names = {lookup.name for lookup in lookups}
    answered = {
        other: [lookup for lookup in of_type if lookup.answers]
        for other, of_type in types.items()
        if other != type_name
    }
    answered = {
        other: of_type
        for other, of_type in answered.items()
        if len(of_type) >= MIN_ANSWERED and names & {lookup.name for lookup in of_type}
    }
    if not answered:
        return None
    clients = sorted({lookup.client for lookup in lookups}, key=address_value)
    questions = sum(len(lookup.asked) for lookup in lookups)
    served = next(lookup for of_type in answered.values() for lookup in of_type if lookup.name in names)
    evidence = [frame for lookup in (served, *lookups[:2]) for frame in lookup.evidence(context)]
    return Finding(
        NAME,
        "warning",
        SAYS.fill(
            server=server, answered=several(sorted(answered)), type=type_name, questions=questions,
            clients=several(clients), seconds=f"{seconds:.1f}",
        ),
        FIX.fill(server=server, type=type_name) + (UNTIL_THEN.fill() if type_name == "AAAA" else ""),
        {
            "server": server, "type_name": type_name, "answered": sorted(answered), "questions": questions,
            "clients": clients[:MAX_EVIDENCE], "seconds": round(seconds, 1),
        },
        sorted(evidence)[:MAX_EVIDENCE],
    )  # fmt: skip


def _longest_wait_ns(lookups: list[DnsLookup]) -> int:
    """Of one client and name: from its first question to the last one that repeats it, whatever their ids."""
    times: dict[tuple[str, str | None], list[int]] = {}
    for lookup in lookups:
        times.setdefault((lookup.client, lookup.name), []).extend(lookup.asked)
    longest = 0
    for of_name in times.values():
        of_name.sort()
        began = of_name[0]
        for before, time in pairwise(of_name):
            began = time if time - before > MAX_RETRY_NS else began
            longest = max(longest, time - began)
    return longest
