"""Packets of a container's own programs that its kernel did not send: no route, or a rule of OUTPUT.

Input: counters and rules that rose in the namespaces of containers, causes. Output: `UnsentPackets`. Method: TCP and
UDP count a destination without a route in `IpOutNoRoutes` (IPv4; what answers without a route do is a cause, and is
not told again); rules count in the chains that hook OUTPUT enters, and in those that no other hook enters. Not rules
that ask for RST: the kernel sends these about connections that it does not know, and programs with a TCP of their own
stop them. Limits: IPv4, since a kernel without a route for IPv6 counts what resolvers try.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from capnet.analysis.core.context import Context
from capnet.analysis.facts.kernel.causes import causes
from capnet.analysis.facts.kernel.namespaces import NamespaceChanges, namespaces
from capnet.analysis.facts.kernel.netfilter.rules import DROP, GOTO, JUMP, OUTPUT, REJECT, Chain, Rule, RuleTable
from capnet.analysis.facts.kernel.reasons import rule_in_words
from capnet.quick_tuple import NamedTuple

NO_ROUTES = "IpOutNoRoutes"
MAX_TEXT = 200  # characters of a rule
MAX_RULES = 3  # of one namespace
_OF_RESETS = re.compile(r"--tcp-flags \S+ (\S+,)?RST\b|tcp flags (&[^=]*== )?rst\b")  # as iptables and nft list them


class UnsentPackets(NamedTuple):
    """Packets that programs in a namespace wanted to send, and that no interface of it sent."""

    namespace: str
    packets: int
    rule: str  # the rule that stopped them; empty: there was no route
    rule_words: str  # in the current language
    text: str  # of that rule


def unsent_packets(context: Context) -> list[UnsentPackets]:
    """What programs in containers wanted to send, by namespace."""
    explained = {(cause.namespace.name, cause.name) for cause in causes(context)}
    unsent = []
    for namespace in namespaces(context):
        if not namespace.is_compared or "/" not in namespace.name or "overlay:" in namespace.name:
            continue
        times = namespace.counters.get(NO_ROUTES, 0)
        if times and (namespace.name, NO_ROUTES) not in explained:
            unsent.append(UnsentPackets(namespace.name, times, "", "", ""))
        rules = [rule for rule in _stopping(namespace) if (namespace.name, rule.name) not in explained]
        for rule in rules[:MAX_RULES]:
            packets = namespace.rises[rule].packets
            unsent.append(
                UnsentPackets(namespace.name, packets, rule.name, rule_in_words(rule.name), rule.text[:MAX_TEXT])
            )
    return unsent


def _stopping(namespace: NamespaceChanges) -> Iterator[Rule]:
    """Rules of OUTPUT that stopped packets."""
    for table in namespace.tables:
        if table.family not in ("ip", "inet"):
            continue
        for chain in _chains_of_output(table):
            for rule in [*chain.rules, *([chain.policy] if chain.policy else [])]:
                is_stopping = rule.verdict in (DROP, REJECT) and rule in namespace.rises
                if is_stopping and not _OF_RESETS.search(rule.text):
                    yield rule


def _chains_of_output(table: RuleTable) -> list[Chain]:
    """The chains that packets enter by OUTPUT, and by no other hook."""
    hooks = {chain.hook for chain in table.chains.values() if chain.hook}
    of_hook = {hook: _reached(table, hook) for hook in hooks}
    others = {name for hook, names in of_hook.items() if hook != OUTPUT for name in names}
    return [table.chains[name] for name in sorted(of_hook.get(OUTPUT, set()) - others)]


def _reached(table: RuleTable, hook: str) -> set[str]:
    """Names of the chains that a hook enters, by itself or by a jump."""
    names = [chain.name for chain in table.base_chains(hook)]
    reached = set(names)
    while names:
        for rule in table.chains[names.pop()].steps():
            if rule.verdict in (JUMP, GOTO) and rule.target in table.chains and rule.target not in reached:
                reached.add(rule.target)
                names.append(rule.target)
    return reached
