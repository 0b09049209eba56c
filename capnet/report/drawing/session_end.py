"""How a drawn session ends, of which all packets arrive: what the problem that it is evidence of says of it.

Input: the problem, as the document has it. Output: whether the session fails, and the words behind the drawing; None of
a problem that tells nothing of single sessions.
"""

from __future__ import annotations

from capnet.analysis.core.contract.document import Document
from capnet.analysis.core.contract.finding_list import findings_in
from capnet.analysis.core.wording import Text
from capnet.quick_tuple import NamedTuple
from capnet.report.words import Words

LATE = Text(en="delivered, answered after {median_s} s", zh="已送达，{median_s} 秒后才应答")
RESET = Text(en="delivered, then reset by {by}", zh="已送达，随后被 {by} 重置")
FOREIGN_RESET = Text(en="delivered, then reset in the name of {by}", zh="已送达，随后有人以 {by} 的名义重置")
# Problem → whether its sessions fail, and the words with the problem's facts.
ENDS = {
    "accepted-then-closed": (
        True,
        Text(en="accepted, then closed without a byte", zh="已接受，随后一个字节未发即关闭"),
    ),
    "asymmetric-path": (
        True,
        Text(en="delivered, the answer leaves by {back} and is lost", zh="已送达，应答从 {back} 发出后丢失"),
    ),
    "dns-slow": (False, LATE),
    "dns-type-unanswered": (True, Text(en="delivered, {type_name} never answered", zh="已送达，{type_name} 从无应答")),
    "ecn-blocked": (False, Text(en="delivered, accepted only without ECN", zh="已送达，仅在不带 ECN 时被接受")),
    "handshake-unfinished": (
        True,
        Text(en="delivered, the answers are seen at {elsewhere} only", zh="已送达，应答只见于 {elsewhere}"),
    ),
    "reset-in-session": (True, RESET),
    "server-slow": (False, LATE),
}


class SessionEnd(NamedTuple):
    """Does the session fail, and how it ends in words."""

    fails: bool
    says: str


def session_end(problem: Document, point: str, words: Words) -> SessionEnd | None:
    """The end of a session that is evidence of a problem; `point`: where it begins."""
    name, facts = problem["name"], problem["facts"]
    if name not in ENDS or (name == "handshake-unfinished" and "elsewhere" not in facts):
        return None
    fails, text = ENDS[name]
    if findings_in(facts) > 1 and "{" in text.en:
        return None  # it is one of many, whose facts are not those of this session
    if facts.get("why") == "foreign":
        text = FOREIGN_RESET
    by = words.address(facts["by"], point) if "by" in facts else ""
    return SessionEnd(fails, text.fill(**{**facts, "by": by}))
