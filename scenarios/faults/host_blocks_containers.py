"""host-blocks-containers: a host's firewall drops what its containers send to the host itself, as ufw does

    app 172.17.0.2 ── docker0 172.17.0.1  A  server :5432  ens33 ──── ens33  B  httpd :80

Sends   app to 172.17.0.1:5432 by TCP; app to B by HTTP.
"""

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import HOST_B, NodeNetwork, Points

FINDING = "host-blocks-containers"
BREAKS = Change("A", "iptables -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT && iptables -P INPUT DROP")
NEEDS_PROGRAMS = ("iptables",)


def build(network: NodeNetwork) -> Points:
    a, b = network.two_hosts()
    app = a.container("app", "172.17.0.2")
    a.masquerade()
    a.serve_tcp(5432)
    b.serve_tcp(80)
    return [app.point("eth0"), a.point("docker0"), a.point("ens33")]


def send(network: NodeNetwork) -> None:
    network["A/app"].get("172.17.0.1", 5432)
    network["A/app"].get(HOST_B)
