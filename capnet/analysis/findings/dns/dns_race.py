"""dns-race: of two DNS questions that a client sends at once from one port, one is lost.

Looks at: questions for A and AAAA of one name, from one port within 10 ms. One is answered, the other is not and is
asked again after the timeout of a resolver. The server must answer questions of the lost type at another time, and no
single question may be lost. Two first packets with one 5-tuple race for the NAT entry; conntrack drops the loser.
Says: how often, from which port, which type was lost, and after how long the client asked again; between which points,
where the captures show it.
Wrong when: a packet was lost by chance; the more pairs, the less likely.
Fix: cache DNS on the node, or set `single-request-reopen` or `use-vc` in resolv.conf.
Verify: `conntrack -S` counts insert_failed on the host that translates.
"""

from __future__ import annotations

from collections.abc import Iterator

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.wording import Text, finding_name
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.transport.dns_lookups import TYPE_A, TYPE_AAAA, DnsLookup, dns_lookups
from capnet.quick_tuple import NamedTuple

NAME = finding_name(__name__)
LEVELS = ("warning",)
SCENARIO = None  # the lab's name server is asked over no NAT
WITNESS = "pcaps/bridge-user-defined.pcapng"  # A and AAAA at once, both answered
EXPLAINS = ("packet-loss", "dns-failure")

PAGE_ZH = """客户端从同一端口同时发出两个 DNS 查询，其中一个丢失。

检查：同一名称的 A 和 AAAA 查询，来自同一端口，相隔 10 毫秒以内。一个得到应答，另一个没有，在解析器超时后重新查询。
服务器必须在其他时候应答过丢失的那种查询，且没有单独的查询丢失。五元组相同的两个首包竞争一条 NAT 表项；conntrack 丢
弃失败的一方。
结论：多少次，从哪个端口，丢失的是哪种，多久之后客户端重新查询；如果抓包能显示，还有在哪两个抓包点之间。
误判：只是碰巧丢包；成对越多，可能性越小。
处理：在节点上缓存 DNS，或在 resolv.conf 中设置 `single-request-reopen` 或 `use-vc`。
验证：在做转换的主机上 `conntrack -S` 显示 insert_failed。
"""

SAYS = Text(
    en="of two DNS questions that {client} asked at once from port {port}, {lost} was lost{place} while {passed} was "
    "answered; the client asked again after {seconds} s{more}",
    zh="{client} 从端口 {port} 同时发出两个 DNS 查询，其中 {lost} 丢失了{place}，而 {passed} 得到了应答；{seconds} "
    "秒后客户端重新查询{more}",
)
PLACE = Text(en=" between {before} and {after}", zh="（在 {before} 和 {after} 之间）")
MORE = Text(en="; so {pairs} of {all:pair}", zh="；{all} 对查询中有 {pairs} 对如此")
FIX = Text(
    en="both questions race for one NAT entry (`conntrack -S`: insert_failed): cache DNS on the node, or set "
    "`options single-request-reopen` (glibc) or `use-vc` in the client's resolv.conf",
    zh="两个查询竞争同一条 NAT 表项（`conntrack -S`：insert_failed）：在节点上缓存 DNS，或在客户端的 resolv.conf 中"
    "设置 `options single-request-reopen`（glibc）或 `use-vc`",
)

MAX_PAIR_NS = 10_000_000  # resolvers send both in one call; a slow host needs milliseconds
MIN_RETRY_NS = 950_000_000  # resolv.conf(5): the shortest timeout is 1 s, glibc's 5 s, musl's 2.5 s
MAX_RETRY_NS = 11_000_000_000  # twice the usual timeout, where two servers are asked in turn


class _Race(NamedTuple):
    """A pair of which one was lost: `retry` is when it was asked again."""

    lost: DnsLookup
    passed: DnsLookup
    retry: int  # ns


def diagnose(context: Context) -> list[Finding]:
    by_client: dict[tuple[int, str], list[DnsLookup]] = {}
    for lookup in dns_lookups(context):
        if lookup.is_first_hop and lookup.name and lookup.type in (TYPE_A, TYPE_AAAA):
            by_client.setdefault((lookup.point, lookup.client), []).append(lookup)
    findings = []
    for lookups in by_client.values():
        pairs = list(_pairs(lookups))
        races = [race for pair in pairs for race in _races(pair, lookups)]
        if races and not _is_single_lost(lookups, pairs) and _is_type_answered(races, lookups):
            findings.append(_finding(context, races, len(pairs)))
    return findings


def _pairs(lookups: list[DnsLookup]) -> Iterator[tuple[DnsLookup, DnsLookup]]:
    """Questions for A and AAAA of one name that left one port at once."""
    waiting: dict[tuple[int, str, str | None], DnsLookup] = {}
    for lookup in lookups:
        key = (lookup.port, lookup.server, lookup.name)
        other = waiting.pop(key, None)
        if other and other.type != lookup.type and lookup.asked[0] - other.asked[0] <= MAX_PAIR_NS:
            yield other, lookup
        else:
            waiting[key] = lookup


def _races(pair: tuple[DnsLookup, DnsLookup], lookups: list[DnsLookup]) -> Iterator[_Race]:
    for lost, passed in (pair, pair[::-1]):
        first = lost.asked[0]
        retries = sorted(
            time
            for lookup in lookups
            if (lookup.name, lookup.type) == (lost.name, lost.type)
            for time in lookup.asked
            if MIN_RETRY_NS <= time - first <= MAX_RETRY_NS
        )
        # An answer that is only late belongs to the first question: then there are as many answers as questions.
        is_lost = retries and not lost.answers_before(retries[0]) and len(lost.answers) < len(lost.asked)
        if is_lost and passed.answers_before(retries[0]):
            yield _Race(lost, passed, retries[0])


def _is_single_lost(lookups: list[DnsLookup], pairs: list[tuple[DnsLookup, DnsLookup]]) -> bool:
    """Was a question lost that had no other one beside it, or were both? Then packets are lost in any case."""
    paired = {id(lookup) for pair in pairs for lookup in pair}
    decided = max(time for lookup in lookups for time in lookup.asked) - MIN_RETRY_NS  # later ones may still wait
    if any(not first.answers and not second.answers for first, second in pairs if first.asked[0] < decided):
        return True
    return any(not lookup.answers and id(lookup) not in paired and lookup.asked[0] < decided for lookup in lookups)


def _is_type_answered(races: list[_Race], lookups: list[DnsLookup]) -> bool:
    """Do the servers answer questions of the lost types? Some never answer AAAA."""
    answered = {(lookup.server, lookup.type) for lookup in lookups if lookup.answers}
    return all((race.lost.server, race.lost.type) in answered for race in races)


def _finding(context: Context, races: list[_Race], pairs: int) -> Finding:
    race = races[0]
    place = _place(context, race.lost)
    seconds = round((race.retry - race.lost.asked[0]) / 1e9, 1)
    says = SAYS.fill(
        client=race.lost.client, port=race.lost.port, lost=race.lost.type_name, passed=race.passed.type_name,
        seconds=seconds, place=PLACE.fill(before=place[0], after=place[1]) if place else "",
        more=MORE.fill(pairs=len(races), all=pairs) if len(races) > 1 else "",
    )  # fmt: skip
    facts: dict[str, object] = {
        "client": race.lost.client, "server": race.lost.server, "port": race.lost.port, "lost": race.lost.type_name,
        "name": race.lost.name, "seconds": seconds, "races": len(races), "pairs": pairs,
    }  # fmt: skip
    if place:
        facts["from"], facts["to"] = place
    evidence = {frame for race in races for lookup in (race.lost, race.passed) for frame in lookup.evidence(context)}
    return Finding(NAME, "warning", says, FIX.fill(), facts, sorted(evidence)[:MAX_EVIDENCE])


def _place(context: Context, lost: DnsLookup) -> tuple[str, str] | None:
    """The last point that shows all questions of a lookup, and the next one, which lacks some."""
    links, row = flow_links(context), lost.flow
    at_point = {
        (lookup.point, lookup.name, lookup.type, lookup.flow): len(lookup.asked) for lookup in dns_lookups(context)
    }
    while row >= 0 and links.after[row] >= 0:
        following = int(links.target[links.after[row]])
        before, after = (int(context.flows[number, schema.FLOW_POINT]) for number in (row, following))
        if at_point.get((after, lost.name, lost.type, following), 0) < at_point.get(
            (before, lost.name, lost.type, row), 0
        ):
            return (context.points[before].name, context.points[after].name) if before != after else None
        row = following
    return None
