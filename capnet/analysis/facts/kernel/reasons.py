"""What kernels say of packets, in words: the table `kernel` of a report.

Input: `causes.causes`, `trace_causes.rewrites`. Output: `KernelReason`s.
"""

from __future__ import annotations

from collections.abc import Iterable

from capnet import language
from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.contract.outcomes import KernelReason
from capnet.analysis.core.derived import derived
from capnet.analysis.core.results import MAX_EVIDENCE, Evidence
from capnet.analysis.core.wording import Text
from capnet.analysis.facts.kernel.cause import DROP_REASON, EQUAL, IMPLIED, PART, POSSIBLE, TRACE, Cause
from capnet.analysis.facts.kernel.causes import causes
from capnet.analysis.facts.kernel.counters import counter_of
from capnet.analysis.facts.kernel.trace_causes import Rewrite, rewrites

MAX_RULE = 200  # characters of a rule in a sentence

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
UNCOUNTED = Text(
    en="{name} on {host} {action} them: {text} (it has no counter; {packets:packet} were not sent on, as many, and no "
    "other rule can stop them)",
    zh="{host} 上的 {name} {action}这些包：{text}（它没有计数器；有 {packets} 个包没有转发，数量相同，而没有别的规则会"
    "拦截它们）",
)
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
    text = REWROTE.fill(
        name=rule_in_words(rule.name), host=rewrite.namespace.name, connections=connections, text=_short(rule.text)
    )
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
    if (counter := counter_of(cause.counter, cause.setting)) and counter.meaning:
        setting = f": {counter.meaning.fill()}{setting}"
    if cause.known_by == DROP_REASON:
        setting = cause.setting
    text = UNCOUNTED if cause.match == IMPLIED and cause.packets else _texts(cause)[cause.match]
    return text.fill(
        name=rule_in_words(cause.name), host=cause.namespace.name,
        action=language.term(REFUSED if cause.is_refusal else DROPPED),
        text=_short(rule.text) if rule else setting, packets=cause.packets, missing=cause.missing,
    )  # fmt: skip


def rule_in_words(name: str) -> str:
    """The name of a rule or counter in the current language; facts and keys keep the English one."""
    if not language.is_chinese():
        return name
    place, kind, number = name.rpartition(" rule ")
    if kind and number.isdecimal():
        return f"{place} 的第 {number} 条规则"
    return name.removesuffix(" policy") + " 的默认策略" if name.endswith(" policy") else name


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
    return sorted(context.first_frames(rows))[:MAX_EVIDENCE]
