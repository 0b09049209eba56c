"""handshake-unfinished: a firewall on the way drops a server's answers, which it does not know to be answers

    app 172.17.0.2 ── docker0  A  ens33 ──── router ──── eth0  server 10.9.0.5  httpd :80 and :8443

Sends   app to the server by HTTP, on both ports.
"""

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import NodeNetwork, Points

FINDING = "handshake-unfinished"
BREAKS = Change("router", "iptables -A FORWARD -p tcp --sport 8443 -j DROP")
NEEDS_PROGRAMS = ("iptables",)

SERVER = "10.9.0.5"


def build(network: NodeNetwork) -> Points:
    app, a, router, server = network.far_server(SERVER)
    for port in (80, 8443):
        server.serve_tcp(port)
    network.leave_out(router)
    return [app.point("eth0"), a.point("docker0"), a.point("ens33"), server.point("eth0")]


def send(network: NodeNetwork) -> None:
    for port in (80, 8443, 80, 8443):
        network["A/app"].get(SERVER, port)
