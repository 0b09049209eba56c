"""none: a container without a network: it can talk to itself and to nobody else

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

from capnet.scenario.expect import Pair, Seen
from capnet.scenario.stage import Stage, page

NEEDS_PEER = False


def play(stage: Stage) -> None:
    a = stage.a
    bbox = a.container("bbox", f"{page('/srv', 1000)} && exec httpd -f -h /srv", network="none")
    bbox.until("wget -q -O /dev/null http://127.0.0.1/")

    with stage.listening(
        bbox.interface("lo", "lo inside bbox, the only interface it has"),
        a.interface("lo", "lo of host A: another namespace's, nothing of bbox"),
        a.interface("docker0", "the bridge of host A, to which bbox is not connected"),
        a.parent("NIC of host A: nothing of bbox"),
    ):
        stage.say("bbox to itself: ping, HTTP")
        bbox.run("ping -c 3 -i 0.3 127.0.0.1")
        bbox.run("wget -q -O /dev/null http://127.0.0.1/")

        stage.say(f"bbox to host {a.name}: no route")
        bbox.fails(f"ping -c 1 -W 1 {a.address}", saying="unreachable")


def expect_model(seen: Seen) -> Pair:
    """the model is none"""
    return seen.model(), "none"


def expect_it_talks_to_itself(seen: Seen) -> Pair:
    """on lo inside bbox there is ping and HTTP, from 127.0.0.1 to 127.0.0.1, and nothing else"""
    own = "127.0.0.1"
    return seen.talk(f"{seen.a}/bbox/lo"), {("icmp", own, own), ("tcp", own, own)}


def expect_nothing_elsewhere(seen: Seen) -> Pair:
    """nothing of it appears at any point of host A"""
    for place in (f"{seen.a}/lo", f"{seen.a}/docker0", seen.parent(seen.a)):
        seen.at(place)
    return seen.followed(f"{seen.a}/bbox/lo"), set()


def expect_no_route(seen: Seen) -> Pair:
    """nobody at any point was sent a packet by bbox: it has no address but 127.0.0.1, and no route"""
    return [each["mac"] for each in seen.report["stations"] if "bbox" in each["names"]], []
