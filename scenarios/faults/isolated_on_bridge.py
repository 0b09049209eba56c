"""isolated-on-bridge: bridged frames pass the host's firewall, which drops what goes from container to container

    app 172.17.0.2 ─┬─ docker0  A
    web 172.17.0.3 ─┘

Sends   app to web by ping and by HTTP, and both to A by ping.
"""

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import NodeNetwork, Points

FINDING = "isolated-on-bridge"
BREAKS = Change("A", "iptables -A FORWARD -i docker0 -o docker0 -j DROP")
NEEDS_PROGRAMS = ("iptables",)


def build(network: NodeNetwork) -> Points:
    a = network.node("A")
    a.set("net/ipv4/ip_forward", 1)
    app, web = a.container("app", "172.17.0.2"), a.container("web", "172.17.0.3")
    a.set("net/bridge/bridge-nf-call-iptables", 1)
    web.serve_tcp(80)
    return [app.point("eth0"), web.point("eth0"), a.point("docker0")]


def send(network: NodeNetwork) -> None:
    network["A/app"].ping("172.17.0.3")
    network["A/app"].get("172.17.0.3")
    for container in ("A/app", "A/web"):
        network[container].ping("172.17.0.1")
