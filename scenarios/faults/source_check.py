"""source-check: the network between two hosts, as a cloud does, drops packets whose source is not a host's own address

    web 10.244.1.2 ── cni0  A  ens33 ──── lan0 (check) ──── ens33  B  cni0 ── db 10.244.2.2, httpd :80

Sends   web to db by HTTP and ping, A to B by HTTP.
"""

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import HOST_A, HOST_B, NIC, NodeNetwork, Points

FINDING = "source-check"
BREAKS = Change("lan", "iptables -A FORWARD ! -s 192.168.111.0/24 -j DROP")
NEEDS_PROGRAMS = ("iptables",)
BRIDGE = "cni0"


def build(network: NodeNetwork) -> Points:
    a, b = network.two_hosts()
    network["lan"].set("net/bridge/bridge-nf-call-iptables", 1)
    for number, host in ((1, a), (2, b)):
        host.bridge(BRIDGE, f"10.244.{number}.1/24")
    a.run(f"ip route add 10.244.2.0/24 via {HOST_B}")
    b.run(f"ip route add 10.244.1.0/24 via {HOST_A}")
    web = a.container("web", "10.244.1.2/24", bridge=BRIDGE)
    db = b.container("db", "10.244.2.2/24", bridge=BRIDGE)
    for server in (db, b):
        server.serve_tcp(80)
    return [web.point("eth0"), a.point(NIC), b.point(NIC), db.point("eth0")]


def send(network: NodeNetwork) -> None:
    network["A/web"].ping("10.244.2.2")
    network["A/web"].get("10.244.2.2")
    for _ in range(3):
        network["A"].get(HOST_B)
