"""not-all-looked-at: there are more addresses or tunnels than are examined one by one.

Looks at: the number of pairs of a MAC and an address, of pairs of addresses in ARP, of tunnels, of addresses of one
network inside tunnels, and of translations that only the two directions of a connection show (`aggregate.limits`).
Says: how many of them were examined: those with the most packets, of each MAC the same number; of translations the
first. Flows, their paths and NAT that packets show are complete.
Wrong when: a network really has so many; then a part of it is enough to capture.
Fix: capture less with a filter, for instance `host ADDRESS`.
Verify: the finding is gone in a capture with that filter.
"""

from __future__ import annotations

from collections.abc import Iterator

from capnet import language
from capnet.analysis.aggregate import limits
from capnet.analysis.core.context import Context
from capnet.analysis.core.results import Finding
from capnet.analysis.core.wording import Text, finding_name
from capnet.analysis.facts.nat.translations import half_translations
from capnet.analysis.facts.tunnels import most_addresses_inside
from capnet.quick_tuple import NamedTuple

NAME = finding_name(__name__)
LEVELS = ("info",)
SCENARIO = None  # the limits are far above what a scenario sends
WITNESS = "pcaps/overlay-service.pcapng"  # the golden capture with the most addresses and tunnels
EXPLAINS = ()

PAGE_ZH = """地址或隧道多于逐一检查的上限。

检查：MAC 与地址的对数、ARP 中地址的对数、隧道数、隧道内同一网络的地址数，以及只由连接的两个方向得知的转换数
（`aggregate.limits`）。
结论：检查了其中多少个：包最多的那些，每个 MAC 数量相同；转换取最先的。流、路径以及由包得知的 NAT 是完整的。
误判：网络确实有这么多；这时抓一部分就够了。
处理：用过滤器减少抓包，例如 `host ADDRESS`。
验证：用该过滤器抓包后，这条诊断消失。
"""

MOST_PACKETS = Text(
    en="{examined:,} of {total:,} {things} examined, those with the most packets",
    zh="检查了 {total:,} {things}中包最多的 {examined:,} 个",
)
FIRST_ONES = Text(
    en="{examined:,} of {total:,} {things} examined, the first ones",
    zh="检查了 {total:,} {things}中最先出现的 {examined:,} 个",
)
FIX = Text(en="capture less with a filter, for instance `host ADDRESS`", zh="用过滤器减少抓包，例如 `host ADDRESS`")


class _Limit(NamedTuple):
    """What is limited: its key in the facts, its name in the sentence, how many there are and how many were kept."""

    key: str
    things: str
    total: int
    examined: int


def diagnose(context: Context) -> list[Finding]:
    facts: dict[str, object] = {}
    sentences = []
    for limit in _limits(context):
        if limit.total > limit.examined:
            facts[limit.key], facts[f"{limit.key}_looked_at"] = limit.total, limit.examined
            text = FIRST_ONES if limit.key == "half" else MOST_PACKETS
            sentences.append(text.fill(total=limit.total, things=language.term(limit.things), examined=limit.examined))
    return [Finding(NAME, "info", language.clauses(sentences), FIX.fill(), facts)] if facts else []


def _limits(context: Context) -> Iterator[_Limit]:
    total = context.totals.get
    yield _Limit("addresses", "pairs of a MAC and an address", total("addresses", 0), len(context.stations))
    yield _Limit("arps", "pairs of addresses in ARP", total("arps", 0), len(context.arps))
    yield _Limit("tunnels", "directions of tunnels", total("tunnels", 0), len(context.tunnels))
    inside = most_addresses_inside(context)
    yield _Limit("inside", "addresses of one network inside tunnels", inside, limits.MAX_ADDRESSES_INSIDE)
    halves = half_translations(context)
    yield _Limit(
        "half", "translations that only the two directions of a connection show", halves, limits.MAX_HALF_TRANSLATIONS
    )
