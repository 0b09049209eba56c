"""vip-answered-by-many: two hosts have a service's address, and one of them no longer keeps silent about it

    A 192.168.111.128 ─┬── C
    B 192.168.111.129 ─┘       both have 192.168.111.200 on their loopback interface

Sends   C to 192.168.111.200 by ping, twice, and to A and B.
"""

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import HOST_A, HOST_B, NodeNetwork, Points

FINDING = "vip-answered-by-many"
BREAKS = Change("B", "echo 0 >/proc/sys/net/ipv4/conf/all/arp_ignore")

SERVICE = "192.168.111.200"


def build(network: NodeNetwork) -> Points:
    switch = network.switch()
    a, b = network.host("A", switch, HOST_A), network.host("B", switch, HOST_B)
    for host in (a, b):
        host.run(f"ip address add {SERVICE}/32 dev lo")
    b.set("net/ipv4/conf/all/arp_ignore", 1)
    c = network.host("C", switch, "192.168.111.130")
    return [c.point("ens33")]


def send(network: NodeNetwork) -> None:
    for address in (HOST_A, HOST_B, SERVICE):
        network["C"].ping(address)
    network["C"].run("ip neigh flush all")
    network["C"].ping(SERVICE)
