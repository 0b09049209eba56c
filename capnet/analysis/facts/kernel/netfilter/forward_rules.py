"""Rules that a person wrote for FORWARD, and what they overlook: answers, and ports that DNAT has changed before.

Input: the rule that stopped packets, and the tables that it is in. Output: what the sentence says more, and what to do.
Method: a rule without a test of the state that stops answers stops those of all connections from inside; one that lets
a published port pass by the host's number meets the container's number. Limits: rules of iptables.
"""

from __future__ import annotations

from collections.abc import Iterable

from capnet.analysis.core.wording import Text
from capnet.analysis.facts.kernel.netfilter.rules import ACCEPT, GOTO, JUMP, RETURN, Rule, RuleTable
from capnet.quick_tuple import NamedTuple

_FOR_PEOPLE = ("FORWARD", "DOCKER-USER")  # chains of rules that no program has to write
_PASSES = (ACCEPT, RETURN)

ANSWERS = Text(
    en="it stops answers to connections from inside: no rule before it lets established ones pass",
    zh="它拦截了对内部发起的连接的应答：它之前没有放行已建立连接的规则",
)
FIX_ANSWERS = Text(
    en="let answers pass first: `{tool} -I {chain} -m conntrack --ctstate RELATED,ESTABLISHED -j {verdict}`",
    zh="先放行应答：`{tool} -I {chain} -m conntrack --ctstate RELATED,ESTABLISHED -j {verdict}`",
)
HOST_PORT = Text(
    en="rule {number} before it lets port {port} pass, but this chain meets the container's port: DNAT has changed "
    "{port} to {inside}",
    zh="它之前的第 {number} 条规则放行端口 {port}，但这条链看到的是容器的端口：DNAT 已把 {port} 改为 {inside}",
)
FIX_HOST_PORT = Text(
    en="in rule {number} of {chain} use `--dport {inside}`, or the port as it was asked for: `-m conntrack "
    "--ctorigdstport {port}`",
    zh="在 {chain} 的第 {number} 条规则中使用 `--dport {inside}`，或用请求时的端口：`-m conntrack "
    "--ctorigdstport {port}`",
)


class Overlooked(NamedTuple):
    """What a rule overlooks, as a sentence ends, and what to do."""

    says: str
    fix: str


def stops_answers(rule: Rule, tables: Iterable[RuleTable]) -> Overlooked | None:
    """The rule stopped answers: is there nothing before it that lets established connections pass?"""
    before = _before(rule, tables)
    if rule.chain not in _FOR_PEOPLE or before is None or _tests_state(rule):
        return None
    if any(
        each.verdict in (JUMP, GOTO) or (each.verdict in (ACCEPT, RETURN) and _tests_state(each)) for each in before
    ):
        return None
    verdict = "RETURN" if rule.chain == "DOCKER-USER" else "ACCEPT"
    return Overlooked(ANSWERS.fill(), FIX_ANSWERS.fill(tool=rule.tool, chain=rule.chain, verdict=verdict))


def lets_host_port_pass(rule: Rule, tables: Iterable[RuleTable], port: int, inside: int) -> Overlooked | None:
    """The rule stopped packets to a published port: was one before it meant to let it pass, by the host's number?"""
    before = _before(rule, tables)
    if rule.chain not in _FOR_PEOPLE or before is None or port == inside:
        return None
    meant = [
        each
        for each in before
        if each.verdict in _PASSES
        and any(test.what == "dport" and not test.is_negated and str(port) in test.values for test in each.tests)
    ]
    if not meant:
        return None
    number = meant[0].number
    return Overlooked(
        HOST_PORT.fill(number=number, port=port, inside=inside),
        FIX_HOST_PORT.fill(number=number, chain=rule.chain, port=port, inside=inside),
    )


def _before(rule: Rule, tables: Iterable[RuleTable]) -> list[Rule] | None:
    """The rules of its chain before it; None if it is a policy, or the chain is not listed."""
    if not rule.number or not rule.tool.startswith(("iptables", "ip6tables")):
        return None
    of_tool = (table for table in tables if (table.tool, table.name) == (rule.tool, rule.table))
    chain = next((table.chains[rule.chain] for table in of_tool if rule.chain in table.chains), None)
    return chain.rules[: rule.number - 1] if chain is not None else None


def _tests_state(rule: Rule) -> bool:
    return any(test.what in ("state", "unknown") for test in rule.tests)
