"""Findings whose sentence ends in what the kernel says of their packets.

Input: findings, `causes.causes`. A finding and a cause belong together if a frame of the finding's evidence is of a
flow that the cause stopped, or of what refuses that flow.
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
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import destination, replies, source
from capnet.analysis.core.results import Evidence, Finding
from capnet.analysis.core.wording import Text
from capnet.analysis.facts.kernel.cause import EQUAL, Cause, is_main
from capnet.analysis.facts.kernel.causes import causes
from capnet.analysis.facts.kernel.counters import fix_of_counter
from capnet.analysis.facts.kernel.netfilter.rules import Rule, listing_command
from capnet.analysis.facts.kernel.reasons import says
from capnet.analysis.facts.kernel.settings import ABOUT_LOSS, LeftBridge, left_bridge_of, settings_of
from capnet.analysis.facts.kernel.states.departed_containers import DepartedContainer, departed_container_of
from capnet.analysis.facts.kernel.states.docker_rules import docker_remark
from capnet.analysis.facts.kernel.states.links_down import LinkDown, link_down_of
from capnet.analysis.facts.kernel.states.vacant_addresses import VacantAddress, vacant_address_of
from capnet.analysis.fate.answers import is_reset, quoting_errors
from capnet.analysis.fate.next_points import chain_of
from capnet.wire.addresses import address_value

KERNEL_DROP = "kernel-drop"  # whose sentence is made of the reason itself
EXPLAINED = ("connection-unanswered", "handshake-unfinished")  # by kernel-drop
SHOWS_EACH_FLOW = ("stops-between",)  # in its evidence; others show examples of what they are about
MAX_REASONS = 3  # that a sentence names
MAX_SENTENCES = 20  # that the facts list
MAX_FRAMES = 20_000  # of flows with a cause, by which findings are told to be about them
NOT_ABOUT_LOSS = ("network-slow", "server-slow", "dns-slow", "receiver-stalled")
# Findings that ask for a rule that drops; others know what to do whatever the rule.
MENDED_BY_RULE = (
    "stops-between", "published-port-blocked", "packet-loss", "request-unanswered", "firewall-rejected",
    "tunnel-not-decapsulated", "tunnel-one-way", "swarm-port-blocked", "esp-blocked", "new-connections-dropped",
    "fragments-lost", "connection-unanswered", "connection-refused", "handshake-unfinished", "dns-failure",
    "isolated-on-bridge",
)  # fmt: skip
FIX = Text(
    en="change {name}, if it is not meant to stop them: `{command}` lists it, and counts",
    zh="如果 {name} 不该拦截这些包，请修改它：`{command}` 列出它并显示计数",
)
FIX_UNCOUNTED = Text(
    en="change {name}, if it is not meant to stop them: `{command}` lists it; what another table accepts, such as "
    "Docker's, it stops all the same",
    zh="如果 {name} 不该拦截这些包，请修改它：`{command}` 列出它；别的表（如 Docker 的）接受的包，它照样拦截",
)


def with_reasons(context: Context, findings: Sequence[Finding]) -> list[Finding]:
    """The findings; those above info say what the kernel says of their packets."""
    frames_of = [(cause, _frames(context, cause)) for cause in causes(context)]
    return [_with_reasons(context, finding, frames_of) for finding in findings]


def without_explained_drops(context: Context, findings: Sequence[Finding]) -> list[Finding]:
    """The findings, without each `kernel-drop` whose packets another one above info is about."""
    symptoms = (KERNEL_DROP, *EXPLAINED, *ALWAYS_LISTED)
    others = [finding for finding in findings if finding.name not in symptoms and finding.level != "info"]
    named = _explained_frames(context, others)
    return [each for each in findings if each.name != KERNEL_DROP or not set(each.evidence) <= named]


def _explained_frames(context: Context, findings: Iterable[Finding]) -> set[Evidence]:
    """Frames of the flows of each cause that one of these findings names; of SHOWS_EACH_FLOW, those that it shows."""
    named: set[Evidence] = set()
    of_flows: set[Evidence] = set()
    of_causes: set[Evidence] = set()
    for finding in findings:
        (of_flows if finding.name in SHOWS_EACH_FLOW else of_causes).update(finding.evidence)
    for cause in causes(context):
        by_chain = _frames_by_chain(context, cause)
        is_named = any(frames & of_causes for frames in by_chain)
        named.update(*(frames for frames in by_chain if is_named or frames & of_flows))
    return named


def _with_reasons(context: Context, finding: Finding, frames_of: Sequence[tuple[Cause, set[Evidence]]]) -> Finding:
    if finding.level == "info" or finding.name in (*ALWAYS_LISTED, *NOT_ABOUT_LOSS):
        return finding
    own = [cause for cause, frames in frames_of if frames & set(finding.evidence)]
    remarks = [remark for remark in (docker_remark(context, cause) for cause in own[:MAX_REASONS]) if remark]
    if finding.name == KERNEL_DROP:
        sentence = language.clauses([finding.says, *(remark.says for remark in remarks)])
        fix = remarks[0].fix if remarks else _fix_of_counter(context, own)
        return replace(finding, says=sentence, fix=fix or finding.fix)
    state = _state(context, finding, has_cause=bool(own))
    sentences = [*([state.says()] if state else []), *(says(cause) for cause in own)]
    sentences += [remark.says for remark in remarks]
    sentences += settings_of(context, finding, mentioned=" ".join(sentences))
    if not sentences:
        return finding
    sentence = language.clauses([finding.says, *sentences[:MAX_REASONS]])
    facts = {**finding.facts, "kernel": sentences[:MAX_SENTENCES]}
    fix = state.fix() if state else remarks[0].fix if remarks else _fix(context, finding, own)
    return replace(finding, says=sentence, facts=facts, fix=fix or finding.fix)


def _state(
    context: Context, finding: Finding, *, has_cause: bool
) -> LeftBridge | LinkDown | VacantAddress | DepartedContainer | None:
    """What is known of the way to those whose packets a finding misses."""
    if finding.name not in ABOUT_LOSS:
        return None
    departed = None if has_cause else departed_container_of(context, finding)  # it may have left for another reason
    return (
        departed or left_bridge_of(context, finding) or link_down_of(context, finding)
        or vacant_address_of(context, finding)
    )  # fmt: skip


def _fix(context: Context, finding: Finding, own: Sequence[Cause]) -> str:
    """What to do about the one rule or counter that stopped all packets; empty if it is not that simple."""
    if finding.name not in MENDED_BY_RULE:
        return ""
    rules = {cause.rule for cause in own if is_main(cause) and cause.rule is not None}
    if len(own) == len(rules) == 1:
        return _fix_of_rule(*rules)
    return _fix_of_counter(context, own)


def _fix_of_rule(rule: Rule) -> str:
    text = FIX_UNCOUNTED if rule.tool == "nft" and rule.packets is None else FIX
    return text.fill(name=rule.name, command=listing_command(rule.tool, rule.table, rule.chain))


def _fix_of_counter(context: Context, own: Sequence[Cause]) -> str:
    if len(own) != 1 or own[0].match != EQUAL or own[0].rule is not None:
        return ""
    sources = {source(context.flows[row]) for row in own[0].rows}
    host, setting = own[0].namespace.name, own[0].setting
    destinations = {destination(context.flows[row]) for row in own[0].rows}
    ends = (sorted(addresses, key=address_value) for addresses in (sources, destinations))
    return fix_of_counter(own[0].counter, host, setting, *ends)


@derived
def _frames_of_chains(context: Context) -> dict[int, set[Evidence]]:
    """First row of a flow chain → frames of its flows, and the first ones of what refuses it.

    Only of chains with a cause. Of frames that are no first ones, the MAX_FRAMES earliest are known.
    """
    chain, _flows = chain_of(context), context.flows
    wanted = sorted({int(chain[row]) for cause in causes(context) for row in cause.rows})
    rows = np.flatnonzero(is_among(chain, np.array(wanted, dtype=np.int64)))
    frames: dict[int, set[Evidence]] = {first: set() for first in wanted}
    for row in rows.tolist():
        own = frames[int(chain[row])]
        own.add(context.first_frame(row))
        if (error := int(quoting_errors(context)[row])) >= 0:
            point, frame = context.icmp_errors[error, [schema.ICMP_POINT, schema.ICMP_FIRST_FRAME]].tolist()
            own.add(context.evidence(point, frame))
        if is_reset(context)[row]:
            answer = int(replies(context)[row])
            own.add(context.first_frame(answer))
    of_chains = np.flatnonzero(is_among(context.observations[:, schema.OBS_FLOW], rows))[:MAX_FRAMES]
    for row, frame in context.observations[of_chains][:, [schema.OBS_FLOW, schema.OBS_FRAME]].tolist():
        frames[int(chain[row])].add(context.flow_evidence(row, frame))
    return frames


def _frames(context: Context, cause: Cause) -> set[Evidence]:
    own = {context.flow_evidence(row, frame) for row, frame in cause.frames}
    return own.union(*_frames_by_chain(context, cause))


def _frames_by_chain(context: Context, cause: Cause) -> list[set[Evidence]]:
    """Of each flow chain that the cause stopped, its frames, with those that the cause itself names."""
    chain, frames = chain_of(context), _frames_of_chains(context)
    by_chain = {first: set(frames[first]) for first in {int(chain[row]) for row in cause.rows}}
    for row, frame in cause.frames:
        if (first := int(chain[row])) in by_chain:
            by_chain[first].add(context.flow_evidence(row, frame))
    return list(by_chain.values())
