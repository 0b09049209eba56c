"""answer-from-other-address: a host answers UDP from the address of the bridge instead of the one that was asked

    app 172.17.0.2 ── 172.17.0.1 docker0  A  ens33 192.168.111.128, echo server on 0.0.0.0, udp 7000

Sends   app to 192.168.111.128 by UDP, three times.
"""

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import HOST_A, NodeNetwork, Points

FINDING = "answer-from-other-address"
BREAKS = Change("A", "ip route change 172.17.0.0/16 dev docker0 src 172.17.0.1")


def build(network: NodeNetwork) -> Points:
    a, _ = network.two_hosts()
    app = a.container("app", "172.17.0.2")
    a.run(f"ip route change 172.17.0.0/16 dev docker0 src {HOST_A}")
    a.serve_udp(7000)
    return [app.point("eth0"), a.point("docker0")]


def send(network: NodeNetwork) -> None:
    for _ in range(3):
        network["A/app"].ask(HOST_A, 7000)
