"""dns-search-storm: a client tries a search list before most of the names that it looks for.

Looks at: names that do not exist, of which the name that the client finds in the end is a part: the domains of its
search list come between (resolv.conf(5)). A client counts if one of its names met at least two of them.
Says: how many of its questions were such tries, for how many names, and how many questions a lookup takes.
Wrong when: a program asks for names that do not exist, each time a longer one before a shorter one.
Fix: a final dot on names outside, or `ndots:1`; nothing is broken.
Verify: `nsenter -t PID -m cat /etc/resolv.conf` shows `search` and `ndots`.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.wording import Text, finding_name
from capnet.analysis.facts.transport.dns_lookups import dns_lookups
from capnet.analysis.facts.transport.dns_search import SearchedName, searched_names

NAME = finding_name(__name__)
LEVELS = ("info",)
SCENARIO = None  # containers of the scenarios have no search list
WITNESS = "pcaps/bridge.pcapng"  # a name that does not exist, asked without a search list
EXPLAINS = ()

PAGE_ZH = """客户端在查找大多数名称之前先试搜索域。

检查：不存在的名称，而客户端最后找到的名称是它的一部分：中间是搜索域（resolv.conf(5)）。客户端的一个名称遇到至少两个
搜索域才算。
结论：它的查询中有多少是这样的尝试，涉及多少个名称，一次解析需要多少个查询。
误判：程序查询不存在的名称，每次先长后短。
处理：外部名称以点结尾，或 `ndots:1`；没有故障。
验证：`nsenter -t PID -m cat /etc/resolv.conf` 显示 `search` 和 `ndots`。
"""

SAYS = Text(
    en="{tries} of {questions:DNS question} of {client} tried search domains ({domains:domain} for {names:name}) "
    "before the name itself was found: about {share} questions a lookup",
    zh="{client} 的 {questions} 个 DNS 查询中，有 {tries} 个先试了搜索域（{names} 个名称、{domains} 个域），之后才找"
    "到名称本身：每次解析约 {share} 个查询",
)
FIX = Text(
    en="nothing is broken; to ask less, end outside names with a dot, or set ndots to 1 (`--dns-option ndots:1`, in "
    "Kubernetes dnsConfig)",
    zh="没有故障；要减少查询，外部名称以点结尾，或把 ndots 设为 1（`--dns-option ndots:1`，Kubernetes 中用 dnsConfig）",
)

MIN_DOMAINS = 2  # tried for one name: a single search domain is what every DHCP server hands out
MAX_CLIENTS = 20


def diagnose(context: Context) -> list[Finding]:
    by_client: dict[tuple[int, str], list[SearchedName]] = {}
    for searched in searched_names(context):
        if searched.is_found:
            by_client.setdefault((searched.tried[0].point, searched.tried[0].client), []).append(searched)
    findings = []
    for (point, client), names in sorted(by_client.items()):
        domains = max(len({lookup.name for lookup in searched.tried}) for searched in names)
        if domains >= MIN_DOMAINS:
            findings.append(_finding(context, point, client, names, domains))
    return findings[:MAX_CLIENTS]


def _finding(context: Context, point: int, client: str, names: list[SearchedName], domains: int) -> Finding:
    tried = [lookup for searched in names for lookup in searched.tried]
    tries = sum(len(lookup.asked) for lookup in tried)
    itself = sum(len(lookup.asked) for searched in names for lookup in searched.lookups)
    questions = sum(
        len(lookup.asked) for lookup in dns_lookups(context) if (lookup.point, lookup.client) == (point, client)
    )
    share = round((tries + itself) / sum(_rounds(searched) for searched in names))
    return Finding(
        NAME,
        "info",
        SAYS.fill(
            tries=tries, questions=questions, client=client, domains=domains, names=len(names), share=share
        ),
        FIX.fill(),
        {
            "client": client, "questions": questions, "tries": tries, "domains": domains,
            "names": sorted(searched.name for searched in names)[:MAX_EVIDENCE],
        },
        sorted(context.evidence(point, lookup.frames[0]) for lookup in tried)[:MAX_EVIDENCE],
    )  # fmt: skip


def _rounds(searched: SearchedName) -> int:
    """How often a name was looked for: the questions of the type that was asked most."""
    by_type: dict[int, int] = {}
    for lookup in searched.lookups:
        by_type[lookup.type] = by_type.get(lookup.type, 0) + 1
    return max(by_type.values())
