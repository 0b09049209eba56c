"""stale-tunnel-peer: a task has moved to another host, and one host sends frames for its MAC to the old one

    web 10.0.1.2 ── br-overlay  A  ens33 ─┬─ ens33  B  br-overlay ── other 10.0.1.4, httpd :80
                                          └─ ens33  C  br-overlay ── db 10.0.1.3, httpd :80

Sends   web to other and to db by HTTP; db to web by ping.
"""

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import HOST_A, HOST_B, NIC, NodeNetwork, Points
from capnet.scenario.faults.vxlan import introduce, member, overlay

FINDING = "stale-tunnel-peer"
DB_MAC, OTHER_MAC = "02:42:0a:00:01:03", "02:42:0a:00:01:04"
HOST_C = "192.168.111.130"
BREAKS = Change("A", f"bridge fdb replace {DB_MAC} dev vxlan0 dst {HOST_B}")
NEEDS_KERNEL = ("vxlan",)


def build(network: NodeNetwork) -> Points:
    lan = network.switch()
    a, b, c = (network.host(name, lan, address) for name, address in (("A", HOST_A), ("B", HOST_B), ("C", HOST_C)))
    overlay(a, b, c)
    web = member(a, "web", "10.0.1.2/24")
    other, db = member(b, "other", "10.0.1.4/24"), member(c, "db", "10.0.1.3/24")
    for server in (other, db):
        server.serve_tcp(80)
        introduce(web, server)
    a.run("ip link set dev vxlan0 type vxlan nolearning")
    for mac, address in ((DB_MAC, HOST_C), (OTHER_MAC, HOST_B)):
        a.run(f"bridge fdb replace {mac} dev vxlan0 dst {address}")
    return [web.point("eth0"), a.point(NIC), b.point(NIC), c.point(NIC), db.point("eth0")]


def send(network: NodeNetwork) -> None:
    network["A/web"].get("10.0.1.4")
    network["A/web"].get("10.0.1.3")
    network["C/db"].ping("10.0.1.2")
    network["A/web"].get("10.0.1.3")
