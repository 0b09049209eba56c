"""hairpin-off: a bridge port does not send frames back where they came from, so a container cannot reach itself

    other 172.17.0.3 ─┬─ docker0 172.17.0.1  A, publishes 8080
    web   172.17.0.2 ─┘

Sends   web and other to 172.17.0.1:8080 by HTTP, which leads to web.
"""

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import NodeNetwork, Points

FINDING = "hairpin-off"
BREAKS = Change("A", "bridge link set dev veth-web hairpin off")
NEEDS_PROGRAMS = ("iptables", "bridge")


def build(network: NodeNetwork) -> Points:
    a = network.node("A")
    a.set("net/ipv4/ip_forward", 1)
    web, other = a.container("web", "172.17.0.2"), a.container("other", "172.17.0.3")
    web.serve_tcp(80)
    a.publish(8080, web, 80)
    a.run("iptables -t nat -A POSTROUTING -s 172.17.0.2 -d 172.17.0.2 -p tcp --dport 80 -j MASQUERADE")
    a.set("net/bridge/bridge-nf-call-iptables", 1)
    a.run("bridge link set dev veth-web hairpin on")
    return [web.point("eth0"), other.point("eth0"), a.point("docker0")]


def send(network: NodeNetwork) -> None:
    for client in ("A/other", "A/web", "A/web"):
        network[client].get("172.17.0.1", 8080)
