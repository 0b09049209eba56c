"""none: a container without a network: it can talk to itself and to no other host

                 host A
    ┌──────────────────────────────────────────────┐
    │   bbox                                       │
    │   lo 127.0.0.1 ⟲                             │
    │                                              │
    │                  docker0    no port          │
    │                                              │
    │                  ens33      nothing of bbox  │
    └──────────────────────────────────────────────┘

Builds  bbox with --network none: a network namespace that has lo and nothing else; a web server in it.
Sends   bbox to itself, 127.0.0.1, by ping and HTTP.
        bbox to host A, which fails at once: there is no route.
Listens at lo inside bbox; and, to see that nothing of it appears there, at lo, docker0 and ens33 of host A.
"""

from capnet.scenario.checks.observed import Comparison, Observed
from capnet.scenario.session import Session, get, web_server

NEEDS_PEER = False
CONTAINERS = ("bbox",)
NEIGHBOUR = "host"


def run(session: Session) -> None:
    a = session.a
    bbox = a.container("bbox", web_server(1000), network="none")
    bbox.wait_until(get("http://127.0.0.1/"))

    with session.listening(
        bbox.interface("lo", "lo inside bbox, the only interface it has"),
        a.interface("lo", "lo of host A: another namespace's, nothing of bbox"),
        a.interface("docker0", "the bridge of host A, to which bbox is not connected"),
        a.parent("NIC of host A: nothing of bbox"),
    ):
        session.say("bbox to itself: ping, HTTP")
        bbox.run("ping -c 3 -i 0.3 127.0.0.1")
        bbox.run(get("http://127.0.0.1/"))

        session.say(f"bbox to host {a.name}: no route")
        bbox.expect_failure(f"ping -c 1 -W 1 {a.address}", saying="unreachable")


def check_model(observed: Observed) -> Comparison:
    """the model is none"""
    return observed.model(), "none"


def check_it_talks_to_itself(observed: Observed) -> Comparison:
    """on lo inside bbox there is ping and HTTP, from 127.0.0.1 to 127.0.0.1, and nothing else"""
    own = "127.0.0.1"
    return observed.flow_ends(f"{observed.a}/bbox/lo"), {("icmp", own, own), ("tcp", own, own)}


def check_nothing_elsewhere(observed: Observed) -> Comparison:
    """nothing of it appears at any point of host A"""
    for place in (f"{observed.a}/lo", f"{observed.a}/docker0", observed.parent(observed.a)):
        observed.point(place)
    return observed.other_points(f"{observed.a}/bbox/lo"), set()


def check_no_route(observed: Observed) -> Comparison:
    """bbox sent no packet to any point: it has no address but 127.0.0.1, and no route"""
    return [each["mac"] for each in observed.report["stations"] if "bbox" in each["names"]], []
