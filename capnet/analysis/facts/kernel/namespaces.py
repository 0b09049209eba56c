"""What changed in a network namespace while it was recorded: rules and counters that rose, settings, interfaces.

Input: its witness, two snapshots of text. Output: `NamespaceChanges`. Counters that were set back count from 0.
Limits: a text that was cut in one of the snapshots is left out of both. What the cut left out cannot be compared.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.facts.kernel.netfilter.ebtables_save import ebtables_tables
from capnet.analysis.facts.kernel.netfilter.iptables_save import iptables_tables
from capnet.analysis.facts.kernel.netfilter.nft_ruleset import nft_tables
from capnet.analysis.facts.kernel.netfilter.rules import Rule, RuleTable
from capnet.analysis.facts.kernel.states.listeners import Listener, parsed_listeners
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import mac_value
from capnet.witnesses import NamespaceWitness, Snapshot, left_bridges

_SAVES = (
    ("iptables-save -c", "iptables", "ip"),
    ("ip6tables-save -c", "ip6tables", "ip6"),
    ("iptables-legacy-save -c", "iptables-legacy", "ip"),
    ("ip6tables-legacy-save -c", "ip6tables-legacy", "ip6"),
)

BEFORE_DELIVERY = "IpInReceives - IpInDelivers - IpForwDatagrams"
BEFORE_SENDING = "IpForwDatagrams + IpOutRequests - IpOutTransmits"
_IP_ERRORS = (
    "IpInHdrErrors", "IpInAddrErrors", "IpInDiscards", "IpInUnknownProtos", "IpExtInNoRoutes", "IpExtInTruncatedPkts",
    "TcpExtIPReversePathFilter",
)  # fmt: skip
BEFORE_DELIVERY_V6 = "Ip6InReceives - Ip6InDelivers - Ip6OutForwDatagrams"
BEFORE_SENDING_V6 = "Ip6OutForwDatagrams + Ip6OutRequests - Ip6OutTransmits"
_IP6_ERRORS = (
    "Ip6InHdrErrors", "Ip6InTooBigErrors", "Ip6InNoRoutes", "Ip6InAddrErrors", "Ip6InUnknownProtos",
    "Ip6InTruncatedPkts", "Ip6InDiscards",
)  # fmt: skip
_LISTENERS = {"tcp": "ss -ltn", "udp": "ss -lun"}
_BLACKHOLES = "route show table all type blackhole"
FILTERING_QDISCS = ("clsact", "ingress")  # they hold tc filters, and count what these drop


class Rise(NamedTuple):
    """By how much the counter of a rule rose."""

    packets: int
    octets: int


class NamespaceInterface(NamedTuple):
    """An interface of a namespace."""

    name: str
    mac: int | None
    master: str | None  # the bridge that it is a port of
    addresses: frozenset[str]


class NamespaceChanges(NamedTuple):
    """A network namespace, and what changed in it."""

    name: str
    points: tuple[str, ...]
    tables: list[RuleTable]  # after the recording
    rises: dict[Rule, Rise]  # of rules whose counter rose
    counters: dict[str, int]  # `TcpExtListenDrops`, `conntrack drop`, `ens33 tx dropped` … → by how much it rose
    settings: dict[str, str]  # `net.ipv4.ip_forward` → its value
    interfaces: dict[str, NamespaceInterface]
    down: frozenset[str]  # interfaces that were set down at both moments
    gone: frozenset[str]  # interfaces that it had before, and not after
    left_bridges: dict[str, str]  # interface → the bridge that it was a port of before; of none after
    blackholes: tuple[IPv4Network | IPv6Network, ...]  # of routes that drop what they have, the longest prefix first
    listeners: dict[str, tuple[frozenset[Listener], frozenset[Listener]]]  # tcp, udp → before and after, where known
    trace: tuple[str, ...]  # lines of the netfilter trace
    is_compared: bool  # both moments are kept: it had not ended before

    def rise(self, rule: Rule) -> Rise | None:
        """By how much a rule's counter rose: by 0 if it did not; None if it has no counter."""
        return None if rule.packets is None else self.rises.get(rule, Rise(0, 0))


@derived
def namespaces(context: Context) -> list[NamespaceChanges]:
    """The namespaces of which both moments are kept, and those that were traced until they ended."""
    witnesses = context.witnesses.namespaces if context.witnesses else []
    return [
        _namespace(each, each.before, each.after or each.before)
        for each in witnesses
        if each.before and (each.after or each.trace)
    ]


def _namespace(witness: NamespaceWitness, before: Snapshot, after: Snapshot) -> NamespaceChanges:
    cut = {*before.cut, *after.cut}
    earlier_texts, texts = (
        {name: text for name, text in snapshot.outputs.items() if name not in cut} for snapshot in (before, after)
    )
    tables, interfaces = _tables(texts), _interfaces(texts)
    earlier, later = _counters(earlier_texts), _counters(texts)
    rises = {name: value - _base(earlier.get(name, 0), value) for name, value in later.items()}
    rises.update(_balances(rises, later))
    return NamespaceChanges(
        witness.name,
        tuple(witness.points),
        tables,
        _rises(_tables(earlier_texts), tables),
        {name: rise for name, rise in rises.items() if rise},
        dict(_settings(texts)),
        interfaces,
        _down(earlier_texts) & _down(texts),
        frozenset(_interfaces(earlier_texts)) - frozenset(interfaces) if interfaces else frozenset(),
        left_bridges(witness),
        tuple(sorted(_blackholes(texts), key=lambda network: -network.prefixlen)),
        _listeners(earlier_texts, texts),
        tuple(witness.trace),
        witness.after is not None,
    )


def _listeners(
    before: Mapping[str, str], after: Mapping[str, str]
) -> dict[str, tuple[frozenset[Listener], frozenset[Listener]]]:
    return {
        proto: (parsed_listeners(before[command]), parsed_listeners(after[command]))
        for proto, command in _LISTENERS.items()
        if before.get(command) and after.get(command)  # the header is there where nothing listens
    }


def _tables(outputs: Mapping[str, str]) -> list[RuleTable]:
    tables = [
        table
        for command, tool, family in _SAVES
        if not _is_listed_by_default(outputs, command)
        for table in iptables_tables(outputs.get(command, ""), tool, family)
    ]
    tables += ebtables_tables(outputs.get("ebtables-nft-save -c", ""))
    listed = {(table.family, table.name) for table in tables if "legacy" not in table.tool}
    return tables + nft_tables(outputs.get("nft -j list ruleset", ""), listed)


def _is_listed_by_default(outputs: Mapping[str, str], command: str) -> bool:
    """Does `iptables-save` of this host print what iptables-legacy-save does? The other backend names itself."""
    default = outputs.get(command.replace("-legacy", ""), "") if "-legacy" in command else ""
    return bool(default) and "(nf_tables)" not in default.partition("\n")[0]


def _rises(before: list[RuleTable], after: list[RuleTable]) -> dict[Rule, Rise]:
    """A rule is the same one if it is the n-th of its text in its chain."""
    earlier = dict(_numbered(before))
    rises = {}
    for key, rule in _numbered(after):
        if rule.packets is None or rule.octets is None:
            continue
        was = earlier.get(key)
        packets = _base(was.packets if was and was.packets else 0, rule.packets)
        octets = _base(was.octets if was and was.octets else 0, rule.octets)
        if rule.packets > packets:
            rises[rule] = Rise(rule.packets - packets, rule.octets - octets)
    return rises


def _base(earlier: int, later: int) -> int:
    """What a counter is compared with; 0 if it was set back."""
    return earlier if earlier <= later else 0


def _numbered(tables: list[RuleTable]) -> Iterator[tuple[tuple[str, str, str, str, int], Rule]]:
    times: Counter[tuple[str, str, str, str]] = Counter()
    for table in tables:
        for chain in table.chains.values():
            for rule in [*chain.rules, *([chain.policy] if chain.policy else [])]:
                key = (rule.tool, rule.table, rule.chain, rule.text)
                times[key] += 1
                yield (*key, times[key]), rule


def _counters(outputs: Mapping[str, str]) -> dict[str, int]:
    counters: Counter[str] = Counter()
    for file in ("/proc/net/snmp", "/proc/net/netstat"):
        lines = [line.split() for line in outputs.get(file, "").splitlines()]
        for names, values in zip(lines[::2], lines[1::2], strict=False):
            for name, value in zip(names[1:], values[1:], strict=False):
                counters[names[0].rstrip(":") + name] = _number(value)
    for file in ("/proc/net/snmp6", "/proc/net/xfrm_stat"):
        for words in map(str.split, outputs.get(file, "").splitlines()):
            if len(words) == 2:
                counters[words[0]] = _number(words[1])
    for line in outputs.get("conntrack -S", "").splitlines():  # a line for each processor
        for name, _, value in (word.partition("=") for word in line.split()[1:]):
            counters[f"conntrack {name}"] += _number(value)
    for entry in _objects(outputs.get("ip -s -j address", "")):
        dropped = entry.get("stats64", {}).get("tx", {}).get("dropped", 0)
        counters[f"{entry.get('ifname')} tx dropped"] = _number(dropped)
    for entry in _neighbour_tables(outputs):
        counters[f"{entry.get('name')} table_fulls"] = _number(entry.get("table_fulls", 0))
    for entry in _objects(outputs.get("tc -s -j qdisc", "")):
        drops = _number(entry.get("drops", 0))
        counters[f"{entry.get('dev')} qdisc drops"] += drops
        if entry.get("kind") in FILTERING_QDISCS:
            counters[f"{entry.get('dev')} {entry['kind']} drops"] += drops
    return dict(counters)


def _balances(rises: Mapping[str, int], later: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    """Packets that the IP layer took and did not pass on, and for which it counted no error: rules stopped them.

    RFC 4293: fragments are counted before they are joined. Linux counts as forwarded what the rules of FORWARD may
    still stop, and since 6.5 what it really sent. Multicast of IPv6 for groups without a member here, which a capture
    makes an interface take, ends like what a rule stops: with as many of it nothing is told. Nor is with fragments of
    IPv6: conntrack joins them before the IP layer, and does not count that.
    """

    def total(*names: str) -> int:
        return sum(rises.get(name, 0) for name in names)

    if "IpInReceives" in later:
        passed = total("IpInDelivers", "IpForwDatagrams", "IpReasmReqds") - total("IpReasmOKs")
        yield BEFORE_DELIVERY, max(total("IpInReceives") - passed - total(*_IP_ERRORS), 0)
    if "IpOutTransmits" in later:
        fragments = total("IpFragCreates") - total("IpFragOKs")
        yield BEFORE_SENDING, max(total("IpForwDatagrams", "IpOutRequests") + fragments - total("IpOutTransmits"), 0)
    if "Ip6InReceives" in later and not total("Ip6ReasmReqds", "Ip6FragCreates"):
        passed = total("Ip6InDelivers", "Ip6OutForwDatagrams", *_IP6_ERRORS)
        stopped = total("Ip6InReceives") - passed
        yield BEFORE_DELIVERY_V6, stopped if stopped > total("Ip6InMcastPkts") else 0
    if "Ip6OutTransmits" in later:
        fragments = total("Ip6FragCreates") - total("Ip6FragOKs")
        sent = total("Ip6OutTransmits", "Ip6OutDiscards", "Ip6OutNoRoutes")
        yield BEFORE_SENDING_V6, max(total("Ip6OutForwDatagrams", "Ip6OutRequests") + fragments - sent, 0)


def _number(text: Any) -> int:
    try:
        return int(text)
    except (ValueError, TypeError):
        return 0


def _settings(outputs: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Lines `net/ipv4/ip_forward:1`."""
    for line in outputs.get("sysctl", "").splitlines():
        path, _, value = line.rpartition(":")
        yield path.replace(".", "/").replace("/", "."), value
    for table in _neighbour_tables(outputs):
        family = "ipv6" if table.get("family") == "inet6" else "ipv4"
        yield f"net.{family}.neigh.default.gc_thresh3", str(table.get("thresh3"))


def _neighbour_tables(outputs: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Those of ARP and of Neighbor Discovery, a line each."""
    for line in outputs.get("ip -s -j ntable", "").splitlines():
        yield from _objects(line)


def _interfaces(outputs: Mapping[str, str]) -> dict[str, NamespaceInterface]:
    result = {}
    for entry in _objects(outputs.get("ip -s -j address", "")):
        name, mac = str(entry.get("ifname")), None
        with suppress(ValueError):  # of a tunnel, an IP address
            mac = mac_value(str(entry.get("address")))
        addresses = frozenset(str(each["local"]) for each in entry.get("addr_info", []) if "local" in each)
        result[name] = NamespaceInterface(name, mac, entry.get("master"), addresses)
    return result


def _down(outputs: Mapping[str, str]) -> frozenset[str]:
    entries = _objects(outputs.get("ip -s -j address", ""))
    return frozenset(str(entry.get("ifname")) for entry in entries if "UP" not in entry.get("flags", ["UP"]))


def _blackholes(outputs: Mapping[str, str]) -> Iterator[IPv4Network | IPv6Network]:
    both, ipv6 = (  # the first command shows routes of both, and calls either 0.0.0.0/0 or ::/0 `default`
        [str(entry.get("dst")) for entry in _objects(outputs.get(f"ip {option}-j {_BLACKHOLES}", ""))]
        for option in ("", "-6 ")
    )
    for destination in (each for each in both if each != "default" or each not in ipv6):
        with suppress(ValueError):
            yield IPv4Network("0.0.0.0/0" if destination == "default" else destination, strict=False)
    for destination in ipv6:
        with suppress(ValueError):
            yield IPv6Network("::/0" if destination == "default" else destination, strict=False)


def _objects(text: str) -> list[dict[str, Any]]:
    """The objects of a JSON list; none if it is cut."""
    try:
        entries = json.loads(text) if text else []
    except (ValueError, RecursionError):
        return []
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
