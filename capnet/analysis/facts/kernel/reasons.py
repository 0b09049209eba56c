"""What kernels say of packets, in words: for the table of a report, and for the sentences of findings.

Input: `causes.causes`. Output: `KernelReason`s, and findings whose sentence ends in what the kernel says of their
packets. A finding and a cause belong together if a frame of the finding's evidence is the first one of a flow that the
cause stopped.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from capnet import language
from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_among
from capnet.analysis.core.context import Context
from capnet.analysis.core.contract.finding_list import ALWAYS_LISTED
from capnet.analysis.core.contract.outcomes import KernelReason
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import replies
from capnet.analysis.core.results import MAX_EVIDENCE, Evidence, Finding
from capnet.analysis.core.wording import Text
from capnet.analysis.facts.kernel.cause import DROP_REASON, EQUAL, IMPLIED, PART, POSSIBLE, TRACE, Cause
from capnet.analysis.facts.kernel.causes import causes
from capnet.analysis.facts.kernel.netfilter.rules import EBTABLES
from capnet.analysis.facts.kernel.settings import settings_of
from capnet.analysis.facts.kernel.traced import Rewrite, rewrites
from capnet.analysis.fate.answers import is_reset, quoting_errors
from capnet.analysis.fate.next_points import chain_of

KERNEL_DROP = "kernel-drop"  # whose sentence is made of the reason itself
UNANSWERED = "connection-unanswered"  # which kernel-drop explains
MAX_REASONS = 3  # that a sentence names
MAX_SENTENCES = 20  # that the facts list
MAX_FRAMES = 20_000  # of flows with a cause, by which findings are told to be about them
MAX_RULE = 200  # characters of a rule in a sentence

NOT_ABOUT_LOSS = ("network-slow", "server-slow", "dns-slow", "receiver-stalled")
# Findings that ask for a rule that drops; others know what to do whatever the rule.
MENDED_BY_RULE = (
    "stops-between", "published-port-blocked", "packet-loss", "request-unanswered", "firewall-rejected",
    "tunnel-not-decapsulated", "tunnel-one-way", "swarm-port-blocked", "esp-blocked", "new-connections-dropped",
    "fragments-lost", "connection-unanswered",
)  # fmt: skip
DROPPED, REFUSED, REWROTE_ACTION = "dropped", "refused", "rewrote"
RULE = {
    EQUAL: Text(
        en="{name} on {host} {action} them: {text} (its counter rose by {packets}, as many)",
        zh="{host} 上的 {name} {action}这些包：{text}（其计数器增加了 {packets}，数量相同）",
    ),
    PART: Text(
        en="possibly {name} on {host} {action} {packets} of {missing}: {text} (counter +{packets})",
        zh="可能是 {host} 上的 {name} {action}其中 {packets} 个（共缺 {missing} 个）：{text}（计数器 +{packets}）",
    ),
    POSSIBLE: Text(
        en="possibly {name} on {host} {action} them: {text} (counter +{packets}, as many)",
        zh="可能是 {host} 上的 {name} {action}这些包：{text}（计数器 +{packets}，数量相同）",
    ),
    IMPLIED: Text(
        en="{name} on {host} is {text}, and no rule before it accepts them (it has no counter)",
        zh="{host} 上的 {name} 是 {text}，而它之前没有规则接受这些包（它没有计数器）",
    ),
}
TRACED = {
    EQUAL: Text(
        en="{name} on {host} {action} them: {text} (traced)",
        zh="{host} 上的 {name} {action}这些包：{text}（由跟踪得知）",
    ),
    PART: Text(
        en="{name} on {host} {action} {packets} of {missing}: {text} (traced)",
        zh="{host} 上的 {name} {action}其中 {packets} 个（共缺 {missing} 个）：{text}（由跟踪得知）",
    ),
}
FIX = Text(
    en="change {name}, if it is not meant to stop them: `{command}` lists it, and counts",
    zh="如果 {name} 不该拦截这些包，请修改它：`{command}` 列出它并显示计数",
)
REWROTE = Text(
    en="{name} on {host} rewrote {connections:flow}: {text} (traced)",
    zh="{host} 上的 {name} 改写了 {connections} 条流：{text}（由跟踪得知）",
)
REASON = {
    EQUAL: Text(
        en="the kernel of {host} dropped them for {name}, in {text} (traced)",
        zh="{host} 的内核在 {text} 中以 {name} 为由丢弃了这些包（由跟踪得知）",
    ),
    PART: Text(
        en="the kernel of {host} dropped {packets} of {missing} for {name}, in {text} (traced)",
        zh="{host} 的内核在 {text} 中以 {name} 为由丢弃了其中 {packets} 个（共缺 {missing} 个）（由跟踪得知）",
    ),
}
COUNTER = {
    EQUAL: Text(
        en="the kernel of {host} counted as many in {name} ({packets}){text}",
        zh="{host} 的内核在 {name} 中计到同样的数量（{packets}）{text}",
    ),
    PART: Text(
        en="possibly: the kernel of {host} counted {packets} of {missing} in {name}{text}",
        zh="可能的原因：{host} 的内核在 {name} 中计到其中 {packets} 个（共缺 {missing} 个）{text}",
    ),
    POSSIBLE: Text(
        en="possibly: the kernel of {host} counted as many in {name} ({packets}){text}",
        zh="可能的原因：{host} 的内核在 {name} 中计到同样的数量（{packets}）{text}",
    ),
}


@derived
def kernel_reasons(context: Context) -> list[KernelReason]:
    """What the kernels say of missing packets."""
    stopped = [_reason(context, cause) for cause in causes(context)]
    return stopped + [_rewrite_reason(context, rewrite) for rewrite in rewrites(context)]


def _reason(context: Context, cause: Cause) -> KernelReason:
    rule = cause.rule
    point = context.points[int(context.flows[cause.rows[0], schema.FLOW_POINT])].name
    return KernelReason(
        kind=_kind(cause),
        namespace=cause.namespace.name,
        point=point,
        name=cause.name,
        text=rule.text if rule else cause.setting,
        table=rule.table if rule else None,
        chain=rule.chain if rule else None,
        number=rule.number or None if rule else None,
        action=REFUSED if cause.is_refusal else DROPPED,
        packets=cause.packets,
        missing=cause.missing,
        match=cause.match,
        known_by=cause.known_by,
        says=says(cause),
        evidence=_evidence(context, cause),
    )


def _kind(cause: Cause) -> str:
    if cause.known_by == DROP_REASON:
        return "drop-reason"
    if cause.rule is None:
        return "counter"
    return "rule" if cause.rule.number else "policy"


def _evidence(context: Context, cause: Cause) -> list[Evidence]:
    """The frames of what it stopped, where they are known; else the first one of each flow."""
    if not cause.frames:
        return first_frames(context, cause.rows)
    return sorted(context.flow_evidence(row, frame) for row, frame in cause.frames)[:MAX_EVIDENCE]


def _rewrite_reason(context: Context, rewrite: Rewrite) -> KernelReason:
    rule, connections = rewrite.rule, rewrite.connections
    text = REWROTE.fill(name=rule.name, host=rewrite.namespace.name, connections=connections, text=_short(rule.text))
    return KernelReason(
        kind="rule",
        namespace=rewrite.namespace.name,
        point=context.points[int(context.flows[rewrite.rows[0], schema.FLOW_POINT])].name,
        name=rule.name,
        text=rule.text,
        table=rule.table,
        chain=rule.chain,
        number=rule.number,
        action=REWROTE_ACTION,
        packets=connections,
        missing=0,
        match=EQUAL,
        known_by=TRACE,
        says=text,
        evidence=first_frames(context, rewrite.rows),
    )


def says(cause: Cause) -> str:
    """What stopped the packets, without a capital letter and a full stop."""
    rule = cause.rule
    setting = f"; {cause.setting}" if cause.setting else ""
    if cause.known_by == DROP_REASON:
        setting = cause.setting
    return _texts(cause)[cause.match].fill(
        name=cause.name, host=cause.namespace.name, action=language.term(REFUSED if cause.is_refusal else DROPPED),
        text=_short(rule.text) if rule else setting, packets=cause.packets, missing=cause.missing,
    )  # fmt: skip


def _texts(cause: Cause) -> dict[str, Text]:
    if cause.known_by == TRACE:
        return TRACED
    if cause.known_by == DROP_REASON:
        return REASON
    return RULE if cause.rule else COUNTER


def _short(text: str) -> str:
    return text if len(text) <= MAX_RULE else text[: MAX_RULE - 1] + "…"


def first_frames(context: Context, rows: Iterable[int]) -> list[Evidence]:
    """The first frame of each flow row, at most MAX_EVIDENCE."""
    frames = [context.flow_evidence(row, int(context.flows[row, schema.FLOW_FIRST_FRAME])) for row in rows]
    return sorted(frames)[:MAX_EVIDENCE]


def with_reasons(context: Context, findings: Sequence[Finding]) -> list[Finding]:
    """The findings; those above info say what the kernel says of their packets."""
    frames_of = [(cause, _frames(context, cause)) for cause in causes(context)]
    return [_with_reasons(context, finding, frames_of) for finding in findings]


def without_explained_drops(context: Context, findings: Sequence[Finding]) -> list[Finding]:
    """The findings, without each `kernel-drop` whose packets another one above info is about."""
    symptoms = (KERNEL_DROP, UNANSWERED, *ALWAYS_LISTED)
    others = [finding for finding in findings if finding.name not in symptoms and finding.level != "info"]
    named = _explained_frames(context, others)
    return [each for each in findings if each.name != KERNEL_DROP or not set(each.evidence) <= named]


def _explained_frames(context: Context, findings: Iterable[Finding]) -> set[Evidence]:
    """Frames of the flows of each cause that one of these findings names."""
    named: set[Evidence] = set()
    evidence = {frame for finding in findings for frame in finding.evidence}
    for cause in causes(context):
        frames = _frames(context, cause)
        if frames & evidence:
            named |= frames
    return named


def _with_reasons(context: Context, finding: Finding, frames_of: Sequence[tuple[Cause, set[Evidence]]]) -> Finding:
    if finding.level == "info" or finding.name in (KERNEL_DROP, *ALWAYS_LISTED, *NOT_ABOUT_LOSS):
        return finding
    own = [cause for cause, frames in frames_of if frames & set(finding.evidence)]
    sentences = [says(cause) for cause in own] + settings_of(context, finding)
    if not sentences:
        return finding
    sentence = language.clauses([finding.says, *sentences[:MAX_REASONS]])
    facts = {**finding.facts, "kernel": sentences[:MAX_SENTENCES]}
    return replace(finding, says=sentence, facts=facts, fix=_fix(finding, own) or finding.fix)


def _fix(finding: Finding, own: Sequence[Cause]) -> str:
    """What to do about the one rule that stopped all packets; empty if it is not that simple."""
    if finding.name not in MENDED_BY_RULE:
        return ""
    rules = {cause.rule for cause in own if cause.match == EQUAL and cause.rule is not None}
    if len(own) != 1 or len(rules) != 1:
        return ""
    (rule,) = rules
    assert rule is not None
    if rule.tool == "nft":
        return FIX.fill(name=rule.name, command=f"nft -a list chain {rule.table} {rule.chain}")
    if rule.tool == EBTABLES:
        return FIX.fill(name=rule.name, command=f"ebtables -t {rule.table} -L {rule.chain} --Lc --Ln")
    return FIX.fill(name=rule.name, command=f"{rule.tool} -t {rule.table} -vnL {rule.chain} --line-numbers")


@derived
def _frames_of_chains(context: Context) -> dict[int, set[Evidence]]:
    """First row of a flow chain → frames of its flows, and the first ones of what refuses it.

    Only of chains with a cause. Of frames that are no first ones, the MAX_FRAMES earliest are known.
    """
    chain, flows = chain_of(context), context.flows
    wanted = sorted({int(chain[row]) for cause in causes(context) for row in cause.rows})
    rows = np.flatnonzero(is_among(chain, np.array(wanted, dtype=np.int64)))
    frames: dict[int, set[Evidence]] = {first: set() for first in wanted}
    for row in rows.tolist():
        own = frames[int(chain[row])]
        own.add(context.flow_evidence(row, int(flows[row, schema.FLOW_FIRST_FRAME])))
        if (error := int(quoting_errors(context)[row])) >= 0:
            point, frame = context.icmp_errors[error, [schema.ICMP_POINT, schema.ICMP_FIRST_FRAME]].tolist()
            own.add(context.evidence(point, frame))
        if is_reset(context)[row]:
            answer = int(replies(context)[row])
            own.add(context.flow_evidence(answer, int(flows[answer, schema.FLOW_FIRST_FRAME])))
    of_chains = np.flatnonzero(is_among(context.observations[:, schema.OBS_FLOW], rows))[:MAX_FRAMES]
    for row, frame in context.observations[of_chains][:, [schema.OBS_FLOW, schema.OBS_FRAME]].tolist():
        frames[int(chain[row])].add(context.flow_evidence(row, frame))
    return frames


def _frames(context: Context, cause: Cause) -> set[Evidence]:
    chain, frames = chain_of(context), _frames_of_chains(context)
    own = {context.flow_evidence(row, frame) for row, frame in cause.frames}
    return own.union(*(frames[int(chain[row])] for row in cause.rows))
