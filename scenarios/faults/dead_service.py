"""dead-service: the last backend of a virtual address is gone, and its node rejects connections to it

    app 172.17.0.2 ── docker0  A, virtual address 10.96.0.10:80 ── ens33 ──── ens33  B  httpd :80

Sends   app to 10.96.0.10 by HTTP, twice.
"""

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import HOST_B, NodeNetwork, Points

FINDING = "firewall-rejected"
BREAKS = Change("A", "iptables -t nat -F PREROUTING; iptables -A FORWARD -d 10.96.0.10 -j REJECT")
NEEDS_PROGRAMS = ("iptables",)

SERVICE = "10.96.0.10"


def build(network: NodeNetwork) -> Points:
    a, b = network.two_hosts()
    app = a.container("app", "172.17.0.2")
    a.masquerade()
    a.run(f"ip route add default via {HOST_B}")
    a.run(f"iptables -t nat -A PREROUTING -d {SERVICE} -p tcp --dport 80 -j DNAT --to {HOST_B}:80")
    b.serve_tcp(80)
    return [app.point("eth0"), a.point("ens33")]


def send(network: NodeNetwork) -> None:
    for _ in range(2):
        network["A/app"].get(SERVICE)
