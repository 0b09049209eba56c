"""idle-connection-forgotten: a host forgets connections that are silent for three seconds

    B  ens33 ──── ens33  A  docker0 ── db 172.17.0.2 :5432, published

Sends   B to A:5432: one connection with a question, 6 s of silence, and another question.
"""

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import HOST_A, NodeNetwork, Points
from capnet.scenario.faults.services import echo

FINDING = "idle-connection-forgotten"
BREAKS = Change("A", "echo 3 >/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_established")
NEEDS_PROGRAMS = ("iptables",)


def build(network: NodeNetwork) -> Points:
    a, _ = network.two_hosts()
    db = a.container("db", "172.17.0.2")
    db.serve_tcp(5432, echo)
    a.publish(5432, db, 5432)
    a.set("net/netfilter/nf_conntrack_tcp_loose", 0)
    a.run("iptables -A INPUT -m conntrack --ctstate INVALID -j DROP")
    return [network["B"].point("ens33"), a.point("ens33"), a.point("docker0")]


def send(network: NodeNetwork) -> None:
    network["B"].get(HOST_A, 5432, b"select 1", pause=6, patience=4)
