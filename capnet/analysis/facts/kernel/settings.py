"""Settings and missing rules of a host that explain a finding: what a kernel was told, rather than what it counted.

Input: a finding, and the namespaces after the recording. Output: sentences. Method: each row of EXPLAINING names a
finding, a setting and the values that explain it; for `not-masqueraded`, the source NAT rules are walked. A host end of
a veth is outside of its bridge by interfaces before and after the recording, or by the topology of its beginning.
Limits: one that left its bridge and came back in between is not told; when it left is not known.
"""

from __future__ import annotations

from collections.abc import Iterator

from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.results import Finding
from capnet.analysis.core.wording import Text, several
from capnet.analysis.facts.kernel.namespaces import NamespaceChanges, namespaces
from capnet.analysis.facts.kernel.netfilter.rule_walk import Packet, all_pass
from capnet.analysis.facts.kernel.netfilter.rules import POSTROUTING, Rule
from capnet.quick_tuple import NamedTuple
from capnet.topology.lookup import endpoints, network_of


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

# Findings of packets that go no further; others may be of the time before it left.
ABOUT_LOSS = (
    "stops-between", "packet-loss", "connection-unanswered", "handshake-unfinished", "request-unanswered",
    "arp-unanswered", "neighbour-unanswered", "dns-failure", "dhcp-unanswered", "published-port-blocked",
)  # fmt: skip

MEANWHILE = Text(
    en="{interface} on {host} was a port of {bridge} when the capture began, and of no bridge when it ended",
    zh="{host} 上的 {interface} 在抓包开始时是 {bridge} 的端口，结束时不属于任何网桥",
)
OUTSIDE = Text(
    en="{interface} on {host} is no port of {bridge}, and was none when the capture began",
    zh="{host} 上的 {interface} 不是 {bridge} 的端口，抓包开始时就不是",
)
FIX = Text(
    en="join it to its bridge again, `ip link set {interface} master {bridge}` on {host}, and look for what took it "
    "out: a network manager, or a script",
    zh="把它重新加入网桥：在 {host} 上执行 `ip link set {interface} master {bridge}`，"
    "并查找是什么把它移出：网络管理程序或脚本",
)


def settings_of(context: Context, finding: Finding, mentioned: str = "") -> list[str]:
    """What the settings of the finding's host say of it; nothing if they do not explain it.

    `mentioned`: what its counters say already, which may name the setting.
    """
    points = {frame.point for frame in finding.evidence} | {str(finding.facts.get("point"))}
    hosts = [namespace for namespace in namespaces(context) if points & set(namespace.points)]
    hosts = [namespace for namespace in hosts if "/" not in namespace.name]
    sentences = []
    for namespace in hosts:
        for setting in EXPLAINING:
            value = namespace.settings.get(setting.key)
            if setting.finding == finding.name and value in setting.values and setting.key not in mentioned:
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
    families = {_family(address) for address in addresses}
    rules = [rule for rule in _source_nat_rules(namespace) if any(_is_of_family(rule, family) for family in families)]
    if not any(_may_translate(rule, address) for rule in rules for address in addresses):
        yield NO_RULE.fill(host=namespace.name, addresses=several(addresses), rules=len(rules))


def _source_nat_rules(namespace: NamespaceChanges) -> Iterator[Rule]:
    for table in namespace.tables:
        if table.base_chains(POSTROUTING):
            for chain in table.chains.values():
                yield from (rule for rule in chain.rules if rule.target in SOURCE_NAT)


def _may_translate(rule: Rule, address: str) -> bool:
    """Can a packet from the address pass the rule's own tests? Only those of the source are known."""
    family = _family(address)
    packet = Packet(family, address, "", "", None, None, None, None, None, False)
    tests = [test for test in rule.tests if test.what == "src"]
    return _is_of_family(rule, family) and all_pass(tests, packet) is not False


def _family(address: str) -> str:
    return "ip6" if ":" in address else "ip"


def _is_of_family(rule: Rule, family: str) -> bool:
    return rule.tool == "nft" or rule.tool.startswith("ip6tables") == (family == "ip6")


class LeftBridge(NamedTuple):
    """A host end outside of its bridge."""

    interface: str
    bridge: str
    host: str
    is_meanwhile: bool  # it was a port when the capture began

    def says(self) -> str:
        """As a sentence ends."""
        text = MEANWHILE if self.is_meanwhile else OUTSIDE
        return text.fill(interface=self.interface, host=self.host, bridge=self.bridge)

    def fix(self) -> str:
        """What to do."""
        return FIX.fill(interface=self.interface, bridge=self.bridge, host=self.host)


def left_bridge_of(context: Context, finding: Finding) -> LeftBridge | None:
    """The host end outside of its bridge at which the packets of a finding were seen."""
    if finding.name not in ABOUT_LOSS:
        return None
    points = left_bridges(context)
    return next((points[frame.point] for frame in finding.evidence if frame.point in points), None)


@derived
def left_bridges(context: Context) -> dict[str, LeftBridge]:
    """Name of a capture point → the host end there, or of the interface there."""
    ends = {(left.host, left.interface): left for left in (*_from_the_beginning(context), *_meanwhile(context))}
    points = {f"{host}/{interface}": left for (host, interface), left in ends.items()}
    for container, endpoint in endpoints(context.topology) if context.topology else ():
        if left := ends.get((container.host, endpoint.veth or "")):
            points[f"{container.host}/{container.name}/{endpoint.interface}"] = left
    return points


def _meanwhile(context: Context) -> Iterator[LeftBridge]:
    for namespace in namespaces(context):
        for interface, bridge in namespace.left_bridges.items():
            yield LeftBridge(interface, bridge, namespace.name, True)


def _from_the_beginning(context: Context) -> Iterator[LeftBridge]:
    """A veth that Docker made for a bridge network, by the topology; none that has joined it by the end."""
    topology = context.topology
    masters = {(each.name, port.name): port.master for each in namespaces(context) for port in each.interfaces.values()}
    for container, endpoint in endpoints(topology) if topology else ():
        network = network_of(topology, container, endpoint) if topology else None
        is_outside = endpoint.kind == "veth" and not endpoint.bridge
        has_joined = masters.get((container.host, endpoint.veth or "")) is not None
        if is_outside and not has_joined and endpoint.veth and network and network.bridge:
            yield LeftBridge(endpoint.veth, network.bridge, container.host, False)
