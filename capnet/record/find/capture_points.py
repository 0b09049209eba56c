"""Capture points: the network namespace and the interface of each place to capture at.

A container's namespace is that of its process; the host end of its veth is the interface
whose index the container's own end names (`link_index`); an overlay network's namespace is the file that
dockerd keeps beside the sandboxes of its containers.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from capnet.errors import EnvironmentLacks
from capnet.record.remote.docker_host import DockerHost
from capnet.record.remote.shell import Shell
from capnet.topology import ListeningPoint


@dataclass(frozen=True)
class CapturePoint:
    """`interface` in the network namespace that is the file `netns` on the shell's machine."""

    name: str  # HOST/IFACE, HOST/CONTAINER/eth0, HOST/overlay:NETWORK/vxlan0
    role: str  # container|veth|bridge|parent|underlay|overlay|loopback
    host: str
    interface: str
    describes: str
    shell: Shell
    netns: str
    mac: str | None = None
    container: str | None = None
    network: str | None = None
    balancer: str | None = None  # Docker's name for the load balancer whose namespace this is
    capture_filter: str = ""  # pcap-filter(7)
    is_promiscuous: bool = True  # while it is captured: it takes frames for others, too

    def filtered(self, capture_filter: str) -> CapturePoint:
        """The same point with another capture filter."""
        return replace(self, capture_filter=capture_filter)

    def listening_point(self) -> ListeningPoint:
        """The point as a topology has it."""
        return ListeningPoint(
            name=self.name,
            role=self.role,
            host=self.host,
            interface=self.interface,
            describes=self.describes,
            container=self.container,
            network=self.network,
        )


def interfaces(shell: Shell, netns: str) -> list[dict[str, Any]]:
    """`ip -j -d address` in a network namespace: one dictionary per interface."""
    entries: list[dict[str, Any]] = json.loads(shell.run(["ip", "-j", "-d", "address"], netns=netns))
    return entries


def host_interface(host: DockerHost, interface: str, role: str, describes: str) -> CapturePoint:
    """An interface of the host itself. EnvironmentLacks if the host has none of that name."""
    shell = _shell(host)
    return CapturePoint(
        name=f"{host.name}/{interface}",
        role=role,
        host=host.name,
        interface=interface,
        describes=describes,
        shell=shell,
        netns=shell.host_netns,
        mac=_named(shell, shell.host_netns, interface, host.name).get("address"),
    )


def container_interface(host: DockerHost, container: str, interface: str, describes: str) -> CapturePoint:
    """An interface inside a running container."""
    shell = _shell(host)
    netns = container_netns(host, container)
    container = shown_name(host.client.containers.get(container).attrs)
    return CapturePoint(
        name=f"{host.name}/{container}/{interface}",
        role="loopback" if interface == "lo" else "container",
        host=host.name,
        interface=interface,
        describes=describes,
        shell=shell,
        netns=netns,
        mac=_named(shell, netns, interface, container).get("address"),
        container=container,
    )


def veth_host_end(host: DockerHost, container: str, interface: str, describes: str) -> CapturePoint:
    """The host end of a container's veth pair."""
    shell = _shell(host)
    end = _named(shell, container_netns(host, container), interface, container)
    peer = peer_of(end, interfaces(shell, shell.host_netns))
    if peer is None:
        raise EnvironmentLacks(f"{interface} of {container} has no other end on host {host.name}")
    return CapturePoint(
        name=f"{host.name}/{peer['ifname']}",
        role="veth",
        host=host.name,
        interface=peer["ifname"],
        describes=describes,
        shell=shell,
        netns=shell.host_netns,
        mac=peer.get("address"),
        container=container,
    )


def overlay_interface(host: DockerHost, network: str, container: str, interface: str, describes: str) -> CapturePoint:
    """An interface (`br0` or `vxlan0`) in the namespace of an overlay network to which `container` is attached."""
    shell = _shell(host)
    netns = overlay_netns(host, network, container)
    return CapturePoint(
        name=f"{host.name}/overlay:{network}/{interface}",
        role="overlay",
        host=host.name,
        interface=interface,
        describes=describes,
        shell=shell,
        netns=netns,
        mac=_named(shell, netns, interface, f"overlay {network}").get("address"),
        network=network,
    )


def load_balancer_interface(
    host: DockerHost, network: str, container: str, interface: str, describes: str
) -> CapturePoint:
    """An interface of the namespace where IPVS spreads what is sent to services on a swarm's network.

    For `ingress` it is ingress_sbox, else `lb_` and the beginning of the network's id (libnetwork, sandbox.go).
    `container` is one on the host, beside whose namespace dockerd keeps it.
    """
    shell = _shell(host)
    folder, network_id = _sandboxes(host, container, network)
    names = [
        name
        for name in shell.run(["ls", folder]).split()
        if (network == "ingress" and name == "ingress_sbox")
        or (name.startswith("lb_") and network_id.startswith(name.removeprefix("lb_")))
    ]
    if not names:
        raise EnvironmentLacks(f"host {host.name} keeps no load balancer for network {network} in {folder}")
    netns = f"{folder}/{names[0]}"
    return CapturePoint(
        name=f"{host.name}/balancer:{network}/{interface}",
        role="overlay",
        host=host.name,
        interface=interface,
        describes=describes,
        shell=shell,
        netns=netns,
        mac=_named(shell, netns, interface, f"load balancer of {network}").get("address"),
        network=network,
        balancer="ingress-sbox" if network == "ingress" else f"lb-{network}",
    )


def shown_name(attributes: dict[str, Any]) -> str:
    """What we call a container: its name, of a swarm's task without the task's id (`web.1`, not `web.1.25` letters)."""
    task = (attributes["Config"].get("Labels") or {}).get("com.docker.swarm.task.id", "")
    name: str = attributes["Name"].removeprefix("/")
    return name.removesuffix(f".{task}") if task else name


def peer_of(end: dict[str, Any], candidates: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The other end of a veth among the interfaces of another namespace: both name each other by index.

    One index alone is not enough: namespaces count their interfaces independently. Nor is what other kinds
    name an other end: a macvlan's link is its parent.
    """
    if end.get("linkinfo", {}).get("info_kind") != "veth":
        return None
    for candidate in candidates:
        if (
            candidate["ifindex"] == end.get("link_index")
            and candidate.get("link_index") == end["ifindex"]
            and "link_netnsid" in candidate
        ):
            return candidate
    return None


def container_netns(host: DockerHost, container: str) -> str:
    """The network namespace of a running container, as a file."""
    pid = host.client.containers.get(container).attrs["State"]["Pid"]
    if not pid:
        raise EnvironmentLacks(f"container {container} on host {host.name} is not running")
    return f"/proc/{pid}/ns/net"


def overlay_netns(host: DockerHost, network: str, container: str) -> str:
    """The namespace in which dockerd keeps an overlay network's bridge and VXLAN device.

    libnetwork keeps it in the folder of the containers' sandboxes and calls it by how many times the network
    came to life on this host and the beginning of its id, twelve characters in all: `1-9bb98856f1`
    (drivers/overlay/ov_network.go, osl.GenerateKey). It exists while a container is attached.
    """
    shell = _shell(host)
    folder, network_id = _sandboxes(host, container, network)
    lives = {
        int(life): name
        for name in shell.run(["ls", folder]).split()
        for life, dash, beginning in [name.partition("-")]
        if dash and life.isdigit() and network_id.startswith(beginning)
    }
    if not lives:
        raise EnvironmentLacks(f"host {host.name} keeps no namespace for overlay network {network} in {folder}")
    return f"{folder}/{lives[max(lives)]}"


def _sandboxes(host: DockerHost, container: str, network: str) -> tuple[str, str]:
    """(the folder where dockerd keeps the namespaces of its sandboxes, the network's id)."""
    settings = host.client.containers.get(container).attrs["NetworkSettings"]
    folder = _shell(host).host_path(str(PurePosixPath(settings["SandboxKey"]).parent))
    attached = settings["Networks"]
    return folder, attached[network]["NetworkID"] if network in attached else ""


def _named(shell: Shell, netns: str, interface: str, owner: str) -> dict[str, Any]:
    present = interfaces(shell, netns)
    for entry in present:
        if entry["ifname"] == interface:
            return entry
    names = ", ".join(entry["ifname"] for entry in present)
    raise EnvironmentLacks(f"{owner} has no interface {interface} (it has {names})")


def _shell(host: DockerHost) -> Shell:
    if host.shell is None:
        raise EnvironmentLacks(f"nothing can capture on host {host.name}: {host.no_capture_reason}")
    return host.shell
