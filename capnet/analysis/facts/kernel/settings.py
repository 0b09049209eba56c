"""Settings and missing rules of a host that explain a finding: what a kernel was told, rather than what it counted.

Input: a finding, and the namespaces after the recording. Output: sentences. Method: each row of EXPLAINING names a
finding, a setting and the values that explain it; for `not-masqueraded`, the source NAT rules are walked.
"""

from __future__ import annotations

from collections.abc import Iterator

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import Finding
from capnet.analysis.core.wording import Text, several
from capnet.analysis.facts.kernel.namespaces import NamespaceChanges, namespaces
from capnet.analysis.facts.kernel.netfilter.rule_walk import Packet, all_pass
from capnet.analysis.facts.kernel.netfilter.rules import POSTROUTING, Rule
from capnet.quick_tuple import NamedTuple


class Setting(NamedTuple):
    """A setting that explains a finding if it has one of these values."""

    finding: str
    key: str
    values: tuple[str, ...]


EXPLAINING = (
    Setting("forwarding-off", "net.ipv4.ip_forward", ("0",)),
    Setting("answer-not-translated", "net.bridge.bridge-nf-call-iptables", ("0",)),
    Setting("isolated-on-bridge", "net.bridge.bridge-nf-call-iptables", ("1",)),
    Setting("hairpin-off", "net.bridge.bridge-nf-call-iptables", ("0", "1")),
)
NOT_MASQUERADED = "not-masqueraded"  # the finding that a missing rule explains
SOURCE_NAT = ("MASQUERADE", "SNAT", "masquerade", "snat")
MAX_ADDRESSES = 20

IS_SET = Text(en="{key} is {value} on {host}", zh="{host} 上 {key} 的值是 {value}")
NO_RULE = Text(
    en="no rule of nat POSTROUTING on {host} translates {addresses} ({rules:rule} for source NAT)",
    zh="{host} 的 nat POSTROUTING 中没有规则转换 {addresses}（共 {rules} 条源地址转换规则）",
)


def settings_of(context: Context, finding: Finding) -> list[str]:
    """What the settings of the finding's host say of it; nothing if they do not explain it."""
    points = {frame.point for frame in finding.evidence} | {str(finding.facts.get("point"))}
    hosts = [namespace for namespace in namespaces(context) if points & set(namespace.points)]
    hosts = [namespace for namespace in hosts if "/" not in namespace.name]
    sentences = []
    for namespace in hosts:
        for setting in EXPLAINING:
            value = namespace.settings.get(setting.key)
            if setting.finding == finding.name and value in setting.values:
                sentences.append(IS_SET.fill(key=setting.key, value=value, host=namespace.name))
        if finding.name == NOT_MASQUERADED and str(finding.facts.get("point")) in namespace.points:
            sentences += _without_masquerade(namespace, finding)
    return sentences


def _without_masquerade(namespace: NamespaceChanges, finding: Finding) -> Iterator[str]:
    """That no rule can translate the addresses: of each rule, a test fails."""
    listed = finding.facts.get("addresses")
    addresses = [str(address) for address in listed][:MAX_ADDRESSES] if isinstance(listed, list) else []
    if not addresses or not namespace.tables:
        return
    rules = list(_source_nat_rules(namespace))
    if not any(_may_translate(rule, address) for rule in rules for address in addresses):
        yield NO_RULE.fill(host=namespace.name, addresses=several(addresses), rules=len(rules))


def _source_nat_rules(namespace: NamespaceChanges) -> Iterator[Rule]:
    for table in namespace.tables:
        if table.base_chains(POSTROUTING):
            for chain in table.chains.values():
                yield from (rule for rule in chain.rules if rule.target in SOURCE_NAT)


def _may_translate(rule: Rule, address: str) -> bool:
    """Can a packet from the address pass the rule's own tests? Only those of the source are known."""
    family = "ip6" if ":" in address else "ip"
    packet = Packet(family, address, "", "", None, None, None, None, None, False)
    tests = [test for test in rule.tests if test.what == "src"]
    is_of_family = rule.tool == "nft" or rule.tool.startswith("ip6tables") == (family == "ip6")
    return is_of_family and all_pass(tests, packet) is not False
