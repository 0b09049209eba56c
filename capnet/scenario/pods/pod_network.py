"""The network of a node's pods, made by the CNI plugins bridge, or ptp, and portmap, as a `PodNetwork`.

A pod is a container that Docker gives no network: its plugins put eth0 into it. Dockershim, by which Kubernetes ran
pods on Docker, did the same. The bridge and the rules by which the node forwards for its pods are made first, and
removed last; a bridge of this name that is there already is an error. Pods of the plugin ptp have no bridge: each has a
veth of its own, whose end at the host has the gateway's address, and the host routes between them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from capnet.errors import UsageError
from capnet.record.find.capture_points import container_netns
from capnet.scenario.commands import STAY
from capnet.scenario.container import ScenarioContainer
from capnet.scenario.host import ScenarioHost
from capnet.scenario.pods import cni

BRIDGE = "cni0"  # as flannel and the examples of CNI call it

# Removes what portmap leaves when the last host port has gone: its chains, and the rules that lead there.
_WITHOUT_HOST_PORTS = (
    "iptables-save -t nat | grep -q '^-A CNI-HOSTPORT-DNAT' || { "
    "iptables-save -t nat | sed -n '/-j CNI-HOSTPORT/s/^-A/iptables -w -t nat -D/p' | sh; "
    "iptables-save -t nat | sed -n 's/^:\\(CNI-HOSTPORT[^ ]*\\) .*/iptables -w -t nat -F \\1; "
    "iptables -w -t nat -X \\1/p' | sh; }"
)


@dataclass(frozen=True)
class PodNetwork:
    """The pods of one host, which `attaching` joins to it. Their gateway is the first address of their subnet."""

    host: ScenarioHost
    name: str
    attaching: cni.Plugin  # gives a pod its interface

    def pod(self, name: str, command: str = STAY, *, ports: dict[int, int] | None = None) -> ScenarioContainer:
        """Starts a pod of one container. `ports` is {pod's TCP port: host's}, which portmap translates."""
        pod = self.host.container(name, command, network="none")
        netns, plugins = container_netns(self.host.docker, pod.docker_name), self._plugins(ports or {})
        attachment = cni.Attachment(self.name, plugins, f"{self.host.run_id}-{name}", netns)
        result = attachment.add(self.host.own_programs(undo=attachment.deletion()), self.host.name)
        pod.pod_address = result["ips"][0]["address"].partition("/")[0]
        return pod

    def _plugins(self, ports: dict[int, int]) -> list[cni.Plugin]:
        if not ports:
            return [self.attaching]
        mappings = [{"hostPort": outer, "containerPort": inner, "protocol": "tcp"} for inner, outer in ports.items()]
        return [self.attaching, {"type": "portmap", "snat": True, "runtimeConfig": {"portMappings": mappings}}]


def pod_network(
    host: ScenarioHost, subnet: str, *, forwards: str = "", masquerades: bool = True, mtu: int = 1500
) -> PodNetwork:
    """Makes the bridge of a host's pods, and lets the host forward for the addresses `forwards`, else the subnet.

    `masquerades`: for pods that call others than pods, by a chain for each.
    """
    mac = _own_mac(host)
    looking = host.own_programs(undo=":")
    if looking.attempt(f"ip link show dev {BRIDGE}")[0] == 0:
        raise UsageError(f"host {host.name} has an interface {BRIDGE}: it runs pods already. Use hosts of a lab: --lab")
    attaching = {"type": "bridge", "bridge": BRIDGE, "isGateway": True, "hairpinMode": True, "ipMasq": masquerades}
    pods = _pods(host, subnet, attaching | {"mtu": mtu}, forwards)
    is_own = f"ip link show dev {BRIDGE} | grep -q {mac}"
    bridging = host.own_programs(undo=f"{is_own} && ip link delete dev {BRIDGE}")
    bridging.run(f"ip link add name {BRIDGE} address {mac} type bridge && ip link set dev {BRIDGE} mtu {mtu} up")
    return pods


def routed_pods(host: ScenarioHost, subnet: str) -> PodNetwork:
    """Lets a host forward for pods that have no bridge, and masquerade for those that call others."""
    return _pods(host, subnet, {"type": "ptp", "ipMasq": True})


def _pods(host: ScenarioHost, subnet: str, attaching: cni.Plugin, forwards: str = "") -> PodNetwork:
    """Has a plugin take addresses of a subnet, and lets the host forward for the addresses `forwards`, else for these.

    Docker has the host drop what it forwards for others than its own containers (policy of the chain FORWARD).
    """
    leases = f"/run/capnet-pods-{host.run_id}"  # the folder in which the plugin host-local notes addresses
    comment = f"-m comment --comment capnet-{host.run_id}"
    rules = [f"FORWARD {match} {forwards or subnet} {comment} -j ACCEPT" for match in ("-s", "-d")]
    undo = [f"iptables -w -D {rule}" for rule in rules]
    if "CNI-HOSTPORT" not in host.own_programs(undo=":").run("iptables-save -t nat"):
        undo.append(_WITHOUT_HOST_PORTS)
    programs = host.own_programs(undo="; ".join([*undo, f"rm -rf {leases}"]))
    programs.run(" && ".join(f"iptables -w -I {rule}" for rule in rules))
    addresses = {"type": "host-local", "dataDir": leases, "ranges": [[{"subnet": subnet}]]}
    ipam = addresses | {"routes": [{"dst": "0.0.0.0/0"}]}
    return PodNetwork(host, "pods", {**attaching, "ipam": ipam})


def _own_mac(host: ScenarioHost) -> str:
    """A locally administered MAC for the bridge, by which its removal knows that it is this run's."""
    octets = hashlib.sha256(f"{host.run_id} {host.name}".encode()).digest()[:5]
    return "02:" + ":".join(f"{octet:02x}" for octet in octets)
