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

from capnet.scenario.checks.observed import Comparison, Observed
from capnet.scenario.session import Session, get, web_server

NEEDS_PEER = False
CONTAINERS = ("web", "bbox", "other")
NEIGHBOUR = "bridge"


def run(session: Session) -> None:
    a = session.a
    web = a.container("web", web_server(2000))
    bbox = a.container("bbox", network="container:web")
    other = a.container("other")
    web.wait_until(get("http://127.0.0.1/"))

    with session.listening(
        web.interface("lo", "lo of web and bbox: where they talk to each other"),
        web.interface("eth0", "eth0 of web and bbox: where they talk to others"),
        web.veth("eth0", "the host end of their veth, a port of docker0"),
        a.interface("docker0", "the bridge of host A"),
        other.interface("eth0", "eth0 inside other"),
    ):
        session.say("bbox to web: HTTP over 127.0.0.1 and over their own address")
        bbox.run(get("http://127.0.0.1/"))
        bbox.run(get(f"http://{web.address()}/"))

        session.say("bbox to other: ping")
        bbox.run(f"ping -c 3 -i 0.3 {other.address()}")

        session.say("other to web: HTTP")
        other.run(get(f"http://{web.address()}/"))


def check_model(observed: Observed) -> Comparison:
    """the model is container"""
    return observed.model(), "container"


def check_on_lo_only(observed: Observed) -> Comparison:
    """bbox and web talk to each other on lo, over 127.0.0.1 and over their own address; eth0 sees nothing of it"""
    lo, own = "127.0.0.1", observed.ip("web")
    actual = [observed.flow_ends(f"{observed.a}/web/{name}") for name in ("lo", "eth0")]
    both = {("tcp", lo, lo), ("tcp", own, own)}
    return [each & both for each in actual], [both, set()]


def check_one_mac_one_address(observed: Observed) -> Comparison:
    """bbox's ping and web's HTTP leave with one MAC and one address"""
    sent = observed.flows(f"{observed.a}/other/eth0", about=observed.ip("other"))
    protos = {each["proto"] for each in sent if each["src"] == observed.ip("web")}
    return (protos, observed.addresses_of(observed.mac("web"), f"{observed.a}/other/eth0")), (
        {"icmp", "tcp"},
        {observed.ip("bbox")},
    )


def check_reachable_from_others(observed: Observed) -> Comparison:
    """other reaches web over docker0 and the one veth that web and bbox have"""
    path = observed.path("tcp", observed.ip("other"), observed.ip("web"), dport=80)
    return set(path), {
        f"{observed.a}/other/eth0",
        f"{observed.a}/docker0",
        observed.veth("web"),
        f"{observed.a}/web/eth0",
    }


def check_no_nat(observed: Observed) -> Comparison:
    """nothing is translated"""
    return observed.translations(), set()
