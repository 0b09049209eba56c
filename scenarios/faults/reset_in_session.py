"""reset-in-session: a filter on the way reads requests, and resets connections whose request it does not like

    app 172.17.0.2 ── docker0  A  ens33 ──── ens33  B  httpd :80

Sends   app to B by HTTP, three times.
"""

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import HOST_B, NodeNetwork, Points

FINDING = "reset-in-session"
BREAKS = Change(
    "A", 'iptables -A FORWARD -p tcp -m string --algo bm --string "GET /" -j REJECT --reject-with tcp-reset'
)
NEEDS_PROGRAMS = ("iptables",)


def build(network: NodeNetwork) -> Points:
    a, b = network.two_hosts()
    app = a.container("app", "172.17.0.2")
    a.masquerade()
    b.serve_tcp(80)
    return [app.point("eth0"), a.point("docker0"), a.point("ens33")]


def send(network: NodeNetwork) -> None:
    for _ in range(3):
        network["A/app"].get(HOST_B)
