"""Which rules can have dropped a packet: it is walked through the chains, and each test is true, false or open.

Input: tables of a namespace, and what is known of a packet. Output: the rules with a verdict that drops where the walk
can end; one is certain if no open test lies before it. Limits: marks, sets, rates and what else is no test of `rules`
is open; chains are followed MAX_DEPTH deep, over MAX_STEPS rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import ip_address, ip_network

from capnet.analysis.facts.kernel.netfilter.rules import (
    ACCEPT,
    DROP,
    EBTABLES,
    FORWARD,
    GOTO,
    INPUT,
    JUMP,
    POSTROUTING,
    PREROUTING,
    REJECT,
    RETURN,
    UNCLEAR,
    Chain,
    Rule,
    RuleTable,
    Test,
)
from capnet.quick_tuple import NamedTuple

MAX_DEPTH = 16  # the kernel allows as many jumps
MAX_STEPS = 50_000  # rules that one walk meets: chains that jump to chains can make it endless
_NUMBERS = {"1": "icmp", "6": "tcp", "17": "udp", "58": "icmpv6", "ipv6-icmp": "icmpv6", "132": "sctp", "50": "esp"}
_ICMP_TYPES = {
    "8": "echo-request", "0": "echo-reply", "128": "echo-request", "129": "echo-reply", "8/0": "echo-request",
}  # fmt: skip


class Packet(NamedTuple):
    """What is known of packets that arrived in a namespace. None: not known."""

    family: str  # ip or ip6
    src: str
    dst: str
    proto: str
    sport: int | None
    dport: int | None
    icmp: str | None  # echo-request …
    state: str | None  # of its connection: NEW, ESTABLISHED
    in_: tuple[str, ...] | None  # names of the interface that it came by: as captured, and of its bridge
    is_local: bool  # its destination is an address of the namespace
    bridged: bool = False  # it is forwarded by a bridge, not routed
    is_ip_filtered: bool = True  # rules of IP count for it: of a bridged one with br_netfilter only
    asker: tuple[str, int | None] | None = None  # address and port of who asked, if it is an answer to be forwarded
    out: str | None = None  # name of the interface that it would leave by, if it is routed


class Drop(NamedTuple):
    """A rule that can have dropped a packet."""

    rule: Rule
    is_certain: bool  # no open test comes before it: the packet ends there, if it comes that far


def possible_drops(tables: Sequence[RuleTable], packet: Packet) -> list[Drop]:
    """The rules where packets like this can end, in the order in which they come to them."""
    walk = _Walk(packet)
    of_bridges = [table for table in tables if table.tool == EBTABLES]  # tests of nft's own may be of unknown ports
    destinations = [packet.asker] if packet.asker else []  # conntrack gives it back before routing
    if packet.is_local and not packet.bridged and not destinations:
        destinations = translated_destinations(tables, packet)
    hooks = [PREROUTING, *([INPUT] if packet.is_local and not packet.asker else []), FORWARD, POSTROUTING]
    if packet.bridged:
        hooks = [PREROUTING, FORWARD, POSTROUTING]
    elif packet.in_ and len(packet.in_) > 1:  # by the port of a bridge, which hands it to its host
        for hook in (PREROUTING, INPUT):
            walk.hook(of_bridges, hook, ("bridge",))
    for hook in hooks:
        if hook == INPUT:
            walk.is_open |= bool(destinations)  # it is delivered, or translated and forwarded
        if hook == FORWARD and packet.is_local and not packet.bridged:
            if not destinations:
                break
            walk.packets = [packet._replace(dst=dst, dport=dport, out=None) for dst, dport in destinations]
        if packet.bridged:
            walk.hook(of_bridges, hook, ("bridge",))
        if packet.is_ip_filtered:
            walk.hook(tables, hook, (packet.family, "inet"))
    return walk.drops


def translated_destinations(tables: Sequence[RuleTable], packet: Packet) -> list[tuple[str, int | None]]:
    """Destinations that DNAT rules of the namespace may give to packets."""
    destinations = []
    for table in tables:
        if table.family not in (packet.family, "inet"):
            continue
        for chain in table.chains.values():
            for rule in chain.rules:
                if rule.to and all_pass(rule.tests, packet) is not False:
                    address, _, port = rule.to.rpartition(":") if "." in rule.to else (rule.to, "", "")
                    if not address:
                        address, port = rule.to, ""
                    destinations.append((address.strip("[]"), int(port) if port.isdecimal() else packet.dport))
    return list(dict.fromkeys(destinations))


class _Walk:
    """`drops` so far; `is_open`: a packet may have gone another way already; `is_over`: each has ended."""

    def __init__(self, packet: Packet) -> None:
        self.packets = [packet]
        self.drops: list[Drop] = []
        self.is_open = self.is_over = False
        self._steps = 0

    def hook(self, tables: Sequence[RuleTable], hook: str, families: tuple[str, ...]) -> None:
        """Walks the base chains of a hook in order of their priorities."""
        of_families = (table for table in tables if table.family in families)
        bases = [(chain.priority, table, chain) for table in of_families for chain in table.base_chains(hook)]
        for _, table, chain in sorted(bases, key=lambda base: base[0]):
            if not self.is_over:
                self._base(table, chain)

    def _base(self, table: RuleTable, chain: Chain) -> None:
        """Walks a base chain to its policy."""
        ended = self._chain(table, chain, 0)
        if not ended and chain.policy is not None and chain.policy.verdict == DROP:
            self._drop(chain.policy, True)

    def _chain(self, table: RuleTable, chain: Chain, depth: int) -> bool:
        """Does each packet end in the chain, or leave the table there?"""
        for rule in chain.steps():
            self._steps += 1
            if self._steps > MAX_STEPS:
                self.is_open = True
                return True
            match = self._matches(rule)
            if match is False:
                continue
            if rule.verdict in (DROP, REJECT):
                self._drop(rule, match is True)
            elif rule.verdict in (JUMP, GOTO) and depth < MAX_DEPTH and rule.target in table.chains:
                self.is_open |= match is None
                ended = self._chain(table, table.chains[rule.target], depth + 1)
                if match is True and (ended or rule.verdict == GOTO):
                    return ended
                continue
            elif rule.verdict == UNCLEAR or (rule.verdict in (ACCEPT, RETURN) and match is None):
                self.is_open = True
                continue
            elif rule.verdict == ACCEPT:
                return True
            elif rule.verdict == RETURN:
                return False
            else:
                continue
            if match is True:
                return True
            self.is_open = True
        return False

    def _drop(self, rule: Rule, is_match: bool) -> None:
        self.drops.append(Drop(rule, is_match and not self.is_open))
        self.is_over |= is_match and not self.is_open

    def _matches(self, rule: Rule) -> bool | None:
        """True, False, or None where a test is open. Of several translations, open unless all agree."""
        outcomes = {all_pass(rule.tests, packet) for packet in self.packets}
        return outcomes.pop() if len(outcomes) == 1 else None


def all_pass(tests: Iterable[Test], packet: Packet) -> bool | None:
    """Does a packet pass all tests? None if that is open."""
    is_open = False
    for test in tests:
        outcome = _passes(test, packet)
        if outcome is False:
            return False
        is_open |= outcome is None
    return None if is_open else True


def _passes(test: Test, packet: Packet) -> bool | None:
    """Does a packet pass one test? None if that is not known."""
    outcome = _TESTS.get(test.what, _open)(test.values, packet)
    return outcome if outcome is None else outcome != test.is_negated


def _open(values: tuple[str, ...], packet: Packet) -> bool | None:
    return None


def _source(values: tuple[str, ...], packet: Packet) -> bool | None:
    return _is_in(packet.src, values)


def _destination(values: tuple[str, ...], packet: Packet) -> bool | None:
    return _is_in(packet.dst, values)


def _is_in(address: str, networks: tuple[str, ...]) -> bool | None:
    inside = [_contains(network, address) for network in networks]
    return True if True in inside else None if None in inside else False


@lru_cache(maxsize=1 << 14)
def _contains(network: str, address: str) -> bool | None:
    """Is an address in a network, or in a range `a-b`? None for what is neither."""
    try:
        if "-" in network:
            low, high = (ip_address(end) for end in network.split("-"))
            number = ip_address(address)
            return number.version == low.version and int(low) <= int(number) <= int(high)
        return ip_address(address) in ip_network(network, strict=False)
    except ValueError:
        return None


def _protocol(values: tuple[str, ...], packet: Packet) -> bool | None:
    return "all" in values or packet.proto in [_NUMBERS.get(value, value) for value in values]


def _source_port(values: tuple[str, ...], packet: Packet) -> bool | None:
    return _has_port(packet.sport, values)


def _destination_port(values: tuple[str, ...], packet: Packet) -> bool | None:
    return _has_port(packet.dport, values)


def _has_port(port: int | None, values: tuple[str, ...]) -> bool | None:
    if port is None:
        return False
    is_open = False
    for value in values:
        low, _, high = value.partition("-")
        if not low.isdecimal() or (high and not high.isdecimal()):
            is_open = True  # a name of /etc/services
        elif int(low) <= port <= int(high or low):
            return True
    return None if is_open else False


def _came_by(values: tuple[str, ...], packet: Packet) -> bool | None:
    if packet.in_ is None:
        return None
    return any(_is_named(name, value) for value in values for name in packet.in_)


def _leaves_by(values: tuple[str, ...], packet: Packet) -> bool | None:
    return None if packet.out is None else any(_is_named(packet.out, value) for value in values)


def _is_named(name: str, pattern: str) -> bool:
    """`veth+` of iptables and `veth*` of nft name all that begin so."""
    return name.startswith(pattern[:-1]) if pattern[-1:] in ("+", "*") else name == pattern


def _has_family(values: tuple[str, ...], packet: Packet) -> bool | None:
    return packet.family in values


def _state(values: tuple[str, ...], packet: Packet) -> bool | None:
    states = {value.upper() for value in values}
    if packet.state is None or states & {"UNTRACKED", "INVALID", "DNAT", "SNAT"}:
        return None
    return packet.state in states


def _is_for_host(values: tuple[str, ...], packet: Packet) -> bool | None:
    return packet.is_local


def _icmp_type(values: tuple[str, ...], packet: Packet) -> bool | None:
    if packet.icmp is None:
        return None if packet.proto.startswith("icmp") else False
    return packet.icmp in [_ICMP_TYPES.get(value, value) for value in values]


_TESTS = {
    "src": _source, "dst": _destination, "proto": _protocol, "sport": _source_port, "dport": _destination_port,
    "in": _came_by, "out": _leaves_by, "family": _has_family, "state": _state, "dst-local": _is_for_host,
    "icmp": _icmp_type,
}  # fmt: skip
