"""stale-neighbour: a container was made anew with its address and another MAC, and a neighbour sends to the old one

    app   172.17.0.3 ─┐
    other 172.17.0.4 ─┼─ docker0  A
    web   172.17.0.2 ─┘  httpd :80

Sends   other to web by ping; app to web by HTTP.
"""

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import NodeNetwork, Points

FINDING = "stale-neighbour"
BREAKS = Change("A/web", "ip link set dev eth0 address 02:42:5e:10:9f:75")
KEEPS_NEIGHBOURS = True


def build(network: NodeNetwork) -> Points:
    a, _ = network.two_hosts()
    app, other, web = (
        a.container(name, address)
        for name, address in (("app", "172.17.0.3"), ("other", "172.17.0.4"), ("web", "172.17.0.2"))
    )
    web.serve_tcp(80)
    for container in (app, other):
        container.set("net/ipv4/neigh/eth0/base_reachable_time_ms", 600_000)  # instead of 30 s: the entry is believed
    return [app.point("eth0"), a.point("docker0"), web.point("eth0")]


def send(network: NodeNetwork) -> None:
    network["A/other"].run("ip neigh flush all")  # it asks anew, and gets the present MAC
    network["A/other"].ping("172.17.0.2")
    network["A/app"].get("172.17.0.2")
