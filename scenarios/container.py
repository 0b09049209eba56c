"""container: a second container in the network of the first: one MAC, one address, one lo

                 host A
    ┌──────────────────────────────────────────────────────────────────┐
    │   ┌─ one network namespace ────────────┐                         │
    │   │  web  httpd :80       bbox         │        other            │
    │   │    └────── lo ──────────┘          │                         │
    │   │            eth0 172.17.0.2         │        eth0 172.17.0.3  │
    │   └─────────────│──────────────────────┘          │              │
    │              vethXXXX                          vethYYYY          │
    │                 └──────────── docker0 ────────────┘              │
    │                             172.17.0.1                           │
    └──────────────────────────────────────────────────────────────────┘

Builds  web, a web server on the default bridge; bbox with --network container:web; other, on the bridge as well.
Sends   bbox to web by HTTP, over 127.0.0.1 and over their own address: both on lo, eth0 sees nothing.
        bbox to other by ping, other to web by HTTP: both over the one eth0, with one MAC and one address.
Listens at lo and eth0 of web and bbox, which are the same; the host end of its veth, docker0, eth0 of other.
"""

from capnet.scenario.expect import Pair, Seen
from capnet.scenario.stage import Stage, page

NEEDS_PEER = False


def play(stage: Stage) -> None:
    a = stage.a
    web = a.container("web", f"{page('/srv', 2000)} && exec httpd -f -h /srv")
    bbox = a.container("bbox", network="container:web")
    other = a.container("other")
    web.until("wget -q -O /dev/null http://127.0.0.1/")

    with stage.listening(
        web.interface("lo", "lo of web and bbox: where they talk to each other"),
        web.interface("eth0", "eth0 of web and bbox: where they talk to others"),
        web.veth("eth0", "the host end of their veth, a port of docker0"),
        a.interface("docker0", "the bridge of host A"),
        other.interface("eth0", "eth0 inside other"),
    ):
        stage.say("bbox to web: HTTP over 127.0.0.1 and over their own address")
        bbox.run("wget -q -O /dev/null http://127.0.0.1/")
        bbox.run(f"wget -q -O /dev/null http://{web.address()}/")

        stage.say("bbox to other: ping")
        bbox.run(f"ping -c 3 -i 0.3 {other.address()}")

        stage.say("other to web: HTTP")
        other.run(f"wget -q -O /dev/null http://{web.address()}/")


def expect_model(seen: Seen) -> Pair:
    """the model is container"""
    return seen.model(), "container"


def expect_on_lo_only(seen: Seen) -> Pair:
    """bbox and web talk to each other on lo, over 127.0.0.1 and over their own address; eth0 sees nothing of it"""
    lo, own = "127.0.0.1", seen.ip("web")
    found = [seen.talk(f"{seen.a}/web/{name}") for name in ("lo", "eth0")]
    both = {("tcp", lo, lo), ("tcp", own, own)}
    return [each & both for each in found], [both, set()]


def expect_one_mac_one_address(seen: Seen) -> Pair:
    """bbox's ping and web's HTTP leave with one MAC and one address"""
    sent = seen.flows(f"{seen.a}/other/eth0", about=seen.ip("other"))
    protos = {each["proto"] for each in sent if each["src"] == seen.ip("web")}
    return (protos, seen.speaks(seen.mac("web"), f"{seen.a}/other/eth0")), ({"icmp", "tcp"}, {seen.ip("bbox")})


def expect_reachable_from_others(seen: Seen) -> Pair:
    """other reaches web over docker0 and the one veth that web and bbox have"""
    way = seen.way("tcp", seen.ip("other"), seen.ip("web"), dport=80)
    return set(way), {f"{seen.a}/other/eth0", f"{seen.a}/docker0", seen.veth("web"), f"{seen.a}/web/eth0"}


def expect_no_nat(seen: Seen) -> Pair:
    """nothing is translated"""
    return seen.rewritten(), set()
