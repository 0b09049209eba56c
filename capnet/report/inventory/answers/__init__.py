"""What a name, address or interface is, in a sentence."""

from __future__ import annotations

from difflib import get_close_matches
from functools import partial
from ipaddress import ip_address

from capnet.language import in_english, pick, sentence
from capnet.report.inventory.answers import containers, networks, ports, services
from capnet.report.inventory.answers.words import listed
from capnet.topology import Topology
from capnet.topology.lookup import Match, endpoints, names
from capnet.topology.port_lookup import asked_port, published_ports
from capnet.topology.stopped import state_of, stopped_names
from capnet.topology.subnets import subnets_with

_MAX_NEAREST = 4
_MAX_PORTS = 12  # published ones that an error lists

_ANSWERS = {
    "container": containers.container,
    "inside": containers.inside,
    "host-end": containers.host_end,
    "interface": networks.interface,
    "network": networks.network,
    "gateway": networks.gateway,
    "peer": services.peer,
    "vip": services.vip,
    "service": services.service,
    "project": services.project,
    "port": ports.port,
    "port-elsewhere": ports.port_elsewhere,
    "port-inside": ports.port_inside,
    "name-server": ports.name_server,
}


def answer(topology: Topology, asked: str, match: Match) -> str:
    """One meaning of `asked`, as a sentence."""
    several = match.host and len(topology.hosts) > 1
    on_host = pick(f" on host {match.host}", f"主机 {match.host} 上的") if several else ""
    return sentence(asked + _ANSWERS[match.kind](topology, asked, match, on_host))


def unknown(topology: Topology, asked: str) -> str:
    """That nothing is called so, and what comes nearest: an error, and so English, as `capnet.chinese` has it."""
    hosts = " or ".join(host.name for host in topology.hosts)
    for network, subnet in subnets_with(topology, asked):
        in_use = sorted(
            {text.split("/")[0] for _, endpoint in endpoints(topology) if endpoint.network == network.name
             for text in endpoint.addresses if (":" in text) == (":" in asked)},
            key=ip_address,
        )  # fmt: skip
        used = in_english(partial(listed, in_use)) or "none"
        return f"nothing on {hosts} has {asked}, an address of network {network.name} ({subnet}); in use there: {used}"
    if asked_port(asked):
        published = [f"{number} ({owner})" for number, owner in published_ports(topology)]
        first = ", ".join([*published[:_MAX_PORTS], *(["…"] if len(published) > _MAX_PORTS else [])]) or "none"
        return f"nothing on {hosts} publishes port {asked.removeprefix(':')}; published: {first}"
    for each in topology.stopped:
        if asked in (each.name, each.id[:12], each.id):
            return f"container {each.name} on {each.host} does not run ({state_of(each)}): `docker start {each.name}`"
    if idle := [each for each in topology.stopped if asked in (*each.names, each.compose_service, each.project)]:
        return f"{asked} has no running container here; not running: {stopped_names(idle)}"
    near = nearest(asked, names(topology), topology)
    verb = "has" if _is_address(asked) else "is called"
    return f"nothing on {hosts} {verb} {asked}" + (f"; nearest: {', '.join(near)}" if near else "")


def nearest(asked: str, candidates: list[str], topology: Topology) -> list[str]:
    """The names, or for an address or a MAC address the addresses, that are most like what was asked."""
    if _is_address(asked):
        owned = {text for _, endpoint in endpoints(topology) for text in (*endpoint.ips, endpoint.mac or "")}
        alike = {text: _common_length(text, asked.lower()) for text in owned}
        near = [text for text in alike if alike[text] * 2 > len(asked)]
        return sorted(near, key=lambda text: (-alike[text], text))[:_MAX_NEAREST]
    lowered = {name.lower(): name for name in reversed(candidates)}
    return [lowered[name] for name in get_close_matches(asked.lower(), lowered, n=_MAX_NEAREST, cutoff=0.5)]


def _common_length(first: str, second: str) -> int:
    """With how many characters both begin."""
    pairs = enumerate(zip(first, second, strict=False))
    return next((number for number, pair in pairs if pair[0] != pair[1]), min(len(first), len(second)))


def _is_address(asked: str) -> bool:
    """Does it look like an IP or MAC address?"""
    return ":" in asked.lstrip(":") or (asked.count(".") > 1 and asked.replace(".", "").replace("/", "").isdecimal())
