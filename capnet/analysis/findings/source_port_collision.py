"""source-port-collision: masquerade chose another source port or ICMP identifier.

Looks at: translations to one source address whose original ports or identifiers are equal.
Says: how many of them got a new one. Harmless, but a search for the original port outside the host finds nothing.
Wrong when: the connections did not exist at the same time, and the port was rewritten for another reason.
Fix: nothing.
Verify: `conntrack -L -n` lists original and reply port of each connection.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core.arrays import distinct, equal_rows
from capnet.analysis.core.context import Context
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.schema import Values
from capnet.analysis.core.wording import Text, finding_name
from capnet.analysis.facts.nat.translation_rows import Translations
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
        rewritten = _with_new_source(translations)
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
                    "wanted": distinct(_original_numbers(rewritten)).tolist(),
                },
                [frame for translation in translations[:MAX_EVIDENCE] for frame in translation.evidence[:2]][
                    :MAX_EVIDENCE
                ],
            )
        )
    return findings


def _collisions(context: Context) -> dict[tuple[str, str], Translations]:
    """(protocol, translated source) → translations to the same destination whose original numbers are equal."""
    translations = nat_facts(context).of_kinds("snat", "snat+dnat")
    if len(translations) < 2:
        return {}
    before, after = translations.before, translations.after
    target = [translations.proto, after.src_hi, after.src_lo, after.dst_hi, after.dst_lo, after.dport]
    wanted = equal_rows([*target, _original_numbers(translations)])
    sender = equal_rows([wanted, before.src_hi, before.src_lo, before.sport, before.id])
    is_taken = np.bincount(wanted[distinct(sender)], minlength=len(wanted))[wanted] > 1
    order = np.flatnonzero(is_taken)
    order = order[np.argsort(wanted[order], kind="stable")]
    colliding = translations.take(order)
    of_source = equal_rows([colliding.proto, colliding.after.src_hi, colliding.after.src_lo])
    collisions = {}
    sources = distinct(of_source).tolist()
    for first in sources:
        nat = colliding[first]
        is_own = of_source == first
        collisions[nat.proto, nat.after.src] = colliding.take(np.flatnonzero(is_own)) if len(sources) > 1 else colliding
    return collisions


def _original_numbers(translations: Translations) -> Values:
    """The source port, or the ICMP identifier, that each sender chose; -1 if it is not known."""
    return np.where(translations.before.id < 0, translations.before.sport, translations.before.id)


def _with_new_source(translations: Translations) -> Translations:
    before, after = translations.before, translations.after
    return translations.take(np.flatnonzero((before.sport != after.sport) | (before.id != after.id)))
