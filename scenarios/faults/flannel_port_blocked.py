"""flannel-port-blocked: a node's firewall drops flannel's datagrams, so its pods hear nothing from other nodes

    left 10.244.1.2 ── cni0 ── flannel.1  A  ens33 ════ ens33  B  flannel.1 ── cni0 ── right 10.244.2.2, httpd :80

Sends   left to right by ping and by HTTP, and right to left by ping.
"""

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import NodeNetwork, Points
from capnet.scenario.faults.vxlan import pod, pod_network

FINDING = "tunnel-not-decapsulated"
BREAKS = Change("B", "iptables -I INPUT -p udp --dport 8472 -j DROP")
NEEDS_PROGRAMS = ("iptables",)
NEEDS_KERNEL = ("vxlan",)


def build(network: NodeNetwork) -> Points:
    a, b = network.two_hosts()
    pod_network(a, b)
    left = pod(a, "left", "10.244.1.2")
    right = pod(b, "right", "10.244.2.2")
    right.serve_tcp(80)
    points = [left.point("eth0"), a.point("cni0"), a.point("flannel.1"), a.point("ens33")]
    return [*points, b.point("ens33"), b.point("flannel.1"), b.point("cni0"), right.point("eth0")]


def send(network: NodeNetwork) -> None:
    network["A/left"].ping("10.244.2.2")
    network["A/left"].get("10.244.2.2")
    network["B/right"].ping("10.244.1.2")
