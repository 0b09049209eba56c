"""Looks at a host for what would stop a scenario half-way: each thing is an error that names who is in the way.

Everything is asked of Docker and of the host's own programs; nothing is made.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from capnet.errors import EnvironmentLacks, UsageError
from capnet.record.find.capture_points import interfaces
from capnet.record.find.listening_ports import listening_ports
from capnet.record.remote.docker_host import DockerHost
from capnet.record.run_id import MADE
from capnet.scenario.docker.run_labels import KEEP
from capnet.scenario.preflight.plan import Plan
from capnet.scenario.preflight.programs import check_programs

MIN_FREE_BYTES = 64 << 20  # the taps, the bundle, and an image of busybox take less
_PROCESS = re.compile(r'users:\(\("(?P<name>[^"]+)",pid=(?P<pid>\d+)')  # of ss(8)
_IN_LAB = "or play it between hosts of its own: --lab"


def check_hosts(plan: Plan, hosts: Sequence[DockerHost], capture: Sequence[str], output: Path) -> None:
    """Raises UsageError or EnvironmentLacks for the first thing in the way; `output`: the folder of the bundle."""
    _check_interfaces(hosts, capture)
    _check_space(output)
    for number, host in enumerate(hosts):
        check_programs(host, plan.plugins, plan.programs if number == 0 else ())
        _check_names(plan, host)
        _check_ports(host, plan.peer_ports if number else plan.ports)
        if number == 0:
            _check_subnets(plan, host)


def _check_interfaces(hosts: Sequence[DockerHost], capture: Sequence[str]) -> None:
    """Each of --capture must be there on some host; one for a VLAN is made by Docker with the network."""
    present = {
        host.name: [entry["ifname"] for entry in interfaces(host.shell, host.shell.host_netns)]
        for host in hosts
        if host.shell and capture
    }
    names = {name for of_host in present.values() for name in of_host}
    for wanted in capture:
        parent, dot, vlan = wanted.rpartition(".")
        if present and wanted not in names and not (dot and vlan.isdigit() and parent in names):
            listed = "; ".join(f"{host} has {', '.join(of_host)}" for host, of_host in present.items())
            raise UsageError(
                f"--capture {wanted}: no host has an interface of that name ({listed}). Without --capture, all points "
                "of the scenario are captured at"
            )


def _check_space(output: Path) -> None:
    folder = next(path for path in (output, *output.absolute().parents) if path.is_dir())
    free = shutil.disk_usage(folder).free
    if free < MIN_FREE_BYTES:
        raise EnvironmentLacks(
            f"{folder} has {free >> 20} MiB free, and a scenario needs {MIN_FREE_BYTES >> 20} MiB: make room, or "
            "choose another folder with --output"
        )


def _check_names(plan: Plan, host: DockerHost) -> None:
    for container in host.client.containers.list(all=True, ignore_removed=True):
        if container.name in plan.containers:
            raise UsageError(
                f"host {host.name} already has a container named {container.name} (image "
                f"{container.attrs['Config']['Image']}): {_how_to_end(container.labels, 'rename or remove it')}"
            )
    for network in host.client.networks.list():
        if network.name in plan.networks and network.attrs.get("Scope") != "swarm":
            raise UsageError(
                f"host {host.name} already has a network named {network.name}: "
                f"{_how_to_end(network.attrs.get('Labels') or {}, 'remove it')}"
            )


def _how_to_end(labels: dict[str, str], advice: str) -> str:
    if KEEP in labels:
        return "a scenario with --keep left it; `capnet scenario clean` removes it"
    if MADE in labels:
        return (
            "a scenario that runs, or another machine's, made it; wait until it has ended, or `capnet scenario clean`"
        )
    return f"{advice}, {_IN_LAB}"


def _check_ports(host: DockerHost, ports: Sequence[int]) -> None:
    """TCP ports of the host at which a program listens already."""
    if not ports:
        return
    published = dict(_published(host))
    taken = listening_ports(host.shell, host.shell.host_netns) if host.shell else set()
    for port in ports:
        if port in published or port in taken:
            owner = published.get(port) or _listener(host, port)
            raise UsageError(f"port {port} of host {host.name} is taken by {owner}: stop that, {_IN_LAB}")


def _published(host: DockerHost) -> Iterator[tuple[int, str]]:
    """(TCP port of the host, who publishes it)."""
    for container in host.client.containers.list(ignore_removed=True):
        bindings: dict[str, list[dict[str, str]] | None] = container.attrs["NetworkSettings"].get("Ports") or {}
        for inner, outers in bindings.items():
            for outer in outers or []:
                if inner.endswith("/tcp"):
                    yield int(outer["HostPort"]), f"container {container.name}, which publishes its port {inner} there"


def _listener(host: DockerHost, port: int) -> str:
    """The program that listens at a TCP port, by ss(8); a host without that tells no more than that there is one."""
    assert host.shell is not None
    try:
        lines = host.shell.run(["ss", "-Hltnp", f"sport = :{port}"], netns=host.shell.host_netns)
    except EnvironmentLacks:
        lines = ""
    match = _PROCESS.search(lines)
    return f"{match['name']} (process {match['pid']})" if match else "a program that listens there"


def _check_subnets(plan: Plan, host: DockerHost) -> None:
    """Subnets of the scenario's networks that overlap with a network of Docker's, or with a route of the host."""
    wanted = [ip_network(subnet) for subnet in plan.subnets]
    for used, owner in (*_docker_subnets(host), *_routed_subnets(host)) if wanted else ():
        for subnet in wanted:
            if subnet.version == used.version and subnet.overlaps(used):
                raise UsageError(
                    f"subnet {subnet}, which {plan.name} needs, overlaps with {used} of {owner} on host {host.name}: "
                    f"remove that, {_IN_LAB}"
                )


def _docker_subnets(host: DockerHost) -> Iterator[tuple[Any, str]]:
    for network in host.client.networks.list():
        for entry in (network.attrs.get("IPAM") or {}).get("Config") or []:
            if entry.get("Subnet"):
                yield ip_network(entry["Subnet"]), f"Docker's network {network.name}"


def _routed_subnets(host: DockerHost) -> Iterator[tuple[Any, str]]:
    """Destinations of the host's routes but the default one: `10.8.0.0/24 dev tun0 …`."""
    if host.shell is None:
        return
    for family in ("-4", "-6"):
        for line in host.shell.run(["ip", family, "route"], netns=host.shell.host_netns).splitlines():
            words = line.split()
            if words and (words[0][0].isdigit() or ":" in words[0]) and "dev" in words:
                device = words[words.index("dev") + 1]
                yield ip_network(words[0], strict=False), f"the route to {words[0]} by {device}"
