"""source-port-collision: masquerade chose another source port or ICMP identifier.

Looks at: translations to one source address whose original ports or identifiers are equal.
Says: how many of them got a new one. Harmless, but a search for the original port outside the host finds nothing.
Wrong when: the connections did not exist at the same time, and the port was rewritten for another reason.
Fix: nothing.
Verify: `conntrack -L -n` lists original and reply port of each connection.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import MAX_EVIDENCE, Finding, Nat
from capnet.analysis.core.wording import Text, finding_name
from capnet.analysis.facts.nat.translations import nat_facts

NAME = finding_name(__name__)
LEVELS = ("info",)
SCENARIO = "bridge-clash"
WITNESS = "pcaps/bridge.pcapng"  # masquerade that keeps ports and identifiers
EXPLAINS = ()

PAGE_ZH = """源地址转换选用了另一个源端口或 ICMP identifier。

检查：转换到同一源地址、原来的端口或 identifier 相同的转换。
结论：其中多少个换了新的。没有害处，但在主机外按原端口查找找不到。
误判：这些连接不是同时存在，端口因其他原因被改写。
处理：无需处理。
验证：`conntrack -L -n` 列出每个连接原来的和应答的端口。
"""

PORT = Text(
    en="{connections:connection} left as {address}, source port rewritten: port already taken by another connection",
    zh="{connections} 个连接以 {address} 发出，源端口被改写：该端口已被另一个连接占用",
)
ICMP_ID = Text(
    en="{connections:connection} left as {address}, ICMP identifier rewritten: already taken by another query",
    zh="{connections} 个连接以 {address} 发出，ICMP identifier 被改写：它已被另一个查询占用",
)


def diagnose(context: Context) -> list[Finding]:
    findings = []
    for (proto, address), translations in sorted(_collisions(context).items()):
        rewritten = [translation for translation in translations if _is_source_rewritten(translation)]
        if not rewritten:
            continue
        text = ICMP_ID if proto.startswith("icmp") else PORT
        findings.append(
            Finding(
                NAME,
                "info",
                text.fill(connections=len(rewritten), address=address),
                None,
                {
                    "proto": proto,
                    "address": address,
                    "rewritten": len(rewritten),
                    "wanted": sorted({_original_number(translation) for translation in rewritten}),
                },
                [frame for translation in translations for frame in translation.evidence[:2]][:MAX_EVIDENCE],
            )
        )
    return findings


def _collisions(context: Context) -> dict[tuple[str, str], list[Nat]]:
    """(protocol, translated source) → translations to the same destination whose original numbers are equal."""
    by_number: dict[tuple[object, ...], list[Nat]] = {}
    for translation in nat_facts(context):
        if "snat" in translation.kind:
            after = translation.after
            key = (translation.proto, after.src, after.dst, after.dport, _original_number(translation))
            by_number.setdefault(key, []).append(translation)
    collisions: dict[tuple[str, str], list[Nat]] = {}
    for translations in by_number.values():
        if len({(nat.before.src, nat.before.sport, nat.before.id) for nat in translations}) > 1:
            first = translations[0]
            collisions.setdefault((first.proto, first.after.src), []).extend(translations)
    return collisions


def _original_number(translation: Nat) -> int:
    """The source port, or the ICMP identifier, that the sender chose; -1 if it is not known."""
    number = translation.before.sport if translation.before.id is None else translation.before.id
    return -1 if number is None else number


def _is_source_rewritten(translation: Nat) -> bool:
    before, after = translation.before, translation.after
    return (before.sport, before.id) != (after.sport, after.id)
