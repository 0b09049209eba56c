"""server-slow: a web server waits for a database that a firewall has cut off, and then answers without it

    app 172.17.0.2 ─┬─ docker0  A  ens33 ──── ens33  B  database, udp 5432
    web 172.17.0.3 ─┘

Sends   app to web by HTTP, three times.
"""

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import HOST_B, NodeNetwork, Points
from capnet.scenario.faults.services import web_page

FINDING = "server-slow"
BREAKS = Change("B", "iptables -A INPUT -p udp --dport 5432 -j DROP")
NEEDS_PROGRAMS = ("iptables",)


def build(network: NodeNetwork) -> Points:
    a, b = network.two_hosts()
    app, web = a.container("app", "172.17.0.2"), a.container("web", "172.17.0.3")
    a.masquerade()
    b.serve_udp(5432)

    def answer(request: bytes) -> bytes:
        web.ask(HOST_B, 5432, patience=1.5)
        return web_page(request)

    web.serve_tcp(80, answer)
    return [app.point("eth0"), a.point("docker0")]


def send(network: NodeNetwork) -> None:
    for _ in range(3):
        network["A/app"].get("172.17.0.3")
