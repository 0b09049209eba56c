"""connection-unanswered: a firewall behind the captured points drops connections to one port of a server

    app 172.17.0.2 ── docker0  A  ens33 ──── router ──── server 10.9.0.5  httpd :80 and :8443

Sends   app to the server by HTTP, on both ports.
"""

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import NodeNetwork, Points

FINDING = "connection-unanswered"
BREAKS = Change("router", "iptables -A FORWARD -p tcp --dport 8443 -j DROP")
NEEDS_PROGRAMS = ("iptables",)

SERVER = "10.9.0.5"


def build(network: NodeNetwork) -> Points:
    app, a, router, server = network.far_server(SERVER)
    for port in (80, 8443):
        server.serve_tcp(port)
    for machine in (router, server):
        network.leave_out(machine)
    return [app.point("eth0"), a.point("docker0"), a.point("ens33")]


def send(network: NodeNetwork) -> None:
    for port in (80, 8443, 80, 8443):
        network["A/app"].get(SERVER, port)
