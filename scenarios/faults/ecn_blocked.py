"""ecn-blocked: a firewall drops SYNs that ask for explicit congestion notification

    app 172.17.0.2 ── docker0  A  ens33 ──── router ──── server 10.9.0.5  httpd :80

Sends   app, which asks for ECN, to the server by HTTP.
"""

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import NodeNetwork, Points

FINDING = "ecn-blocked"
BREAKS = Change("router", "iptables -A FORWARD -p tcp --syn -m ecn --ecn-tcp-ece -j DROP")
NEEDS_PROGRAMS = ("iptables",)

SERVER = "10.9.0.5"


def build(network: NodeNetwork) -> Points:
    app, a, router, server = network.far_server(SERVER)
    app.set("net/ipv4/tcp_ecn", 1)
    server.serve_tcp(80)
    for machine in (router, server):
        network.leave_out(machine)
    return [app.point("eth0"), a.point("docker0"), a.point("ens33")]


def send(network: NodeNetwork) -> None:
    for _ in range(2):
        network["A/app"].get(SERVER)
