"""pmtu-icmp-lost: a link carries less, and a firewall drops the router's "fragmentation needed" before the sender

    client 10.9.0.5 ── eth1  router  ens33 ──── ens33  A  docker0 ── web 172.17.0.2, httpd :80

Sends   client to web by HTTP: a page of 6000 bytes; client to A by ping.
"""

from functools import partial

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import HOST_A, ROUTER, NodeNetwork, Points
from capnet.scenario.faults.services import web_page

FINDING = "pmtu-icmp-lost"
BREAKS = Change("router", "ip link set dev eth1 mtu 1300")
NEEDS_PROGRAMS = ("iptables",)

WEB = "172.17.0.2"


def build(network: NodeNetwork) -> Points:
    switch = network.switch()
    a, router = network.host("A", switch, HOST_A), network.host("router", switch, ROUTER)
    a.run(f"ip route add default via {ROUTER}")
    router.run(f"ip route add 172.17.0.0/16 via {HOST_A}")
    client = network.routed("client", "10.9.0.5", router)
    a.run("iptables -A FORWARD -p icmp --icmp-type fragmentation-needed -j DROP")
    web = a.container("web", WEB)
    web.serve_tcp(80, partial(web_page, size=6_000))
    return [web.point("eth0"), a.point("docker0"), a.point("ens33"), client.point("eth0")]


def send(network: NodeNetwork) -> None:
    network["client"].ping(WEB)
    network["client"].get(WEB, patience=4)
