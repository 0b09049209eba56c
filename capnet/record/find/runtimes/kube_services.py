"""Services of Kubernetes, by the rules that kube-proxy wrote on a node: their virtual addresses and node ports.

Input: lines of `iptables-save`, and listings of nft's maps (`kube_nftables`). kube-proxy notes NAMESPACE/SERVICE:PORT
in the comment of each rule of iptables (kubernetes, pkg/proxy/iptables/proxier.go): in KUBE-SERVICES with the kind of
address behind it, in KUBE-NODEPORTS alone.
Limits: kube-proxy in mode ipvs writes no such rules, and the proxies of Cilium and Calico write none.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import TypeVar

from capnet.quick_tuple import NamedTuple
from capnet.record.find.runtimes import kube_nftables
from capnet.topology import Service, ServicePort, VirtualAddress

# Whole rule sets: asking the legacy program for a table makes that table. It is asked where there are some of its.
LIST = (
    "{ iptables-save; ip6tables-save; grep -q . /proc/net/ip_tables_names && iptables-legacy-save; "
    "grep -q . /proc/net/ip6_tables_names && ip6tables-legacy-save; } 2>/dev/null "
    f"| grep -E '^-A KUBE-(SERVICES|NODEPORTS) .*--comment'; {kube_nftables.LIST}; true"
)
NETWORK = "services"  # what the virtual addresses of a cluster are said to be on: they are at no interface
_Row = TypeVar("_Row")
# What stands behind the name where the rule is about an address; the last in the table filter, which rejects.
_ADDRESS_KINDS = ("cluster IP", "external IP", "loadbalancer IP", "has no endpoints")
_NAMED = re.compile(r"(?P<namespace>[a-z0-9-]+)/(?P<name>[a-z0-9.-]+)(?P<port>:[a-z0-9-]+)?(?: (?P<kind>.+))?")


class _Rule(NamedTuple):
    """A rule of KUBE-SERVICES, or of KUBE-NODEPORTS: without kind and address."""

    service: tuple[str, str]  # namespace and name
    port_name: str
    kind: str
    address: str
    proto: str
    port: int


def kube_services(lines: Iterable[str]) -> list[Service]:
    """The services of these rules, called NAME.NAMESPACE as in the cluster's DNS, sorted by name."""
    rules = [rule for line in lines for rule in _rules(line)]
    own_ports = {(*rule.service, rule.port_name, rule.proto): rule.port for rule in rules if rule.kind}
    services: dict[tuple[str, str], Service] = {}
    for rule in rules:
        namespace, name = rule.service
        service = services.setdefault(rule.service, Service(f"{name}.{namespace}", None, "vip", namespace=namespace))
        own_port = own_ports.get((*rule.service, rule.port_name, rule.proto))
        if rule.kind in _ADDRESS_KINDS and rule.address:
            _add(service.vips, VirtualAddress(NETWORK, rule.address))
        elif not rule.kind and own_port is not None:
            _add(service.ports, ServicePort(rule.proto, rule.port, own_port, "ingress"))
    return sorted(services.values(), key=lambda service: service.name)


def _add(rows: list[_Row], row: _Row) -> None:
    """Adds what is not there yet: IPv4 and IPv6 rules, and those of both backends of iptables, say the same."""
    if row not in rows:
        rows.append(row)


def _rules(line: str) -> Iterator[_Rule]:
    for of in kube_nftables.map_elements(line) if line.startswith("{") else ():
        kind = _ADDRESS_KINDS[0] if of.address else ""
        yield _Rule((of.namespace, of.name), of.port_name, kind, of.address, of.proto, of.port)
    if (rule := _rule(line)) is not None:
        yield rule


def _rule(line: str) -> _Rule | None:
    """The rule of a line; None for one that is about no service."""
    try:
        words = shlex.split(line)
    except ValueError:
        return None
    values = dict(pairwise(words))
    named = _NAMED.fullmatch(values.get("--comment", ""))
    port, address = values.get("--dport", ""), values.get("-d", "").partition("/")[0]
    if named is None or not port.isdigit():
        return None
    service, kind = (named["namespace"], named["name"]), named["kind"] or ""
    return _Rule(service, named["port"] or "", kind, address, values.get("-p", "tcp"), int(port))
