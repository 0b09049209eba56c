"""mtu-blackhole: a router's link carries less than its other links, and the router's ICMP errors are filtered

    client 10.9.0.5 ── eth1  router  ens33 ──── ens33  B  httpd :80

Sends   client to B by HTTP: a page of 20,000 bytes.
"""

from functools import partial

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import HOST_B, ROUTER, NodeNetwork, Points
from capnet.scenario.faults.services import web_page

FINDING = "mtu-blackhole"
BREAKS = Change("router", "ip link set dev eth1 mtu 1300")
NEEDS_PROGRAMS = ("iptables",)


def build(network: NodeNetwork) -> Points:
    switch = network.switch()
    b, router = network.host("B", switch, HOST_B), network.host("router", switch, ROUTER)
    b.run(f"ip route add default via {ROUTER}")
    b.serve_tcp(80, partial(web_page, size=20_000))
    client = network.routed("client", "10.9.0.5", router)
    router.run("iptables -A OUTPUT -p icmp --icmp-type fragmentation-needed -j DROP")
    return [b.point("ens33"), client.point("eth0")]


def send(network: NodeNetwork) -> None:
    network["client"].get(HOST_B, patience=4)
