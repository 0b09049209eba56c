"""different-networks: a rule keeps two bridges of a host apart, and a container calls one on the other bridge

    app 10.20.1.2 ── br-front ┐
    web 10.20.1.3 ──┘         A
    db  10.20.2.2 ── br-back  ┘

Sends   app to db by ping and by HTTP, and to web by HTTP.
"""

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import NodeNetwork, Points

FINDING = "different-networks"
BREAKS = Change("A", "iptables -A FORWARD -i br-front -o br-back -j DROP")
NEEDS_PROGRAMS = ("iptables",)


def build(network: NodeNetwork) -> Points:
    a = network.node("A")
    a.set("net/ipv4/ip_forward", 1)
    a.bridge("br-front", "10.20.1.1/24")
    a.bridge("br-back", "10.20.2.1/24")
    app, web = a.container("app", "10.20.1.2", bridge="br-front"), a.container("web", "10.20.1.3", bridge="br-front")
    db = a.container("db", "10.20.2.2", bridge="br-back")
    web.serve_tcp(80)
    db.serve_tcp(80)
    return [app.point("eth0"), a.point("br-front"), a.point("br-back"), db.point("eth0")]


def send(network: NodeNetwork) -> None:
    network["A/app"].ping("10.20.2.2")
    network["A/app"].get("10.20.2.2")
    network["A/app"].get("10.20.1.3")
    network["A/db"].ping("10.20.2.1")
