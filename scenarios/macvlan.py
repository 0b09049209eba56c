"""macvlan: containers with MACs of their own on the host's NIC, neighbours of host B

                 host A                                                      host B
    ┌──────────────────────────────────────────────┐              ┌──────────────────────────┐
    │   web  httpd :80           bbox              │              │                          │
    │   eth0 192.168.111.10      eth0 192.168.111.11              │   web server  tcp 7000   │
    │   its own MAC              its own MAC       │              │                          │
    │     └──────────┬─────────────┘               │              │                          │
    │             macvlan, mode bridge             │              │                          │
    │                │                             │              │                          │
    │              ens33 192.168.111.128 ──────────┼──── wire ────┼── ens33 192.168.111.129  │
    │              (promiscuous)                   │              │                          │
    └──────────────────────────────────────────────┘              └──────────────────────────┘

Builds  macvnet, a macvlan network with parent ens33 and the subnet of the hosts; web and bbox on it, at two
        addresses that nobody else answers for; on host B a web server on port 7000. The parent is
        promiscuous meanwhile.
Sends   bbox to web by ping and HTTP: in the parent's capture, but never on the wire.
        bbox to host B by ping and HTTP, host B to web by HTTP: on the wire with the containers' own MACs.
        host A to web by ping, which fails: the host's own macvlan children do not hear it, ARP goes unanswered.
Listens at eth0 of both containers, and ens33 of both hosts.
"""

from capnet.scenario.stage import Stage, page

NAME = "macvlan"
NEEDS_PEER = True

NET = "macvnet"


def play(stage: Stage) -> None:
    a, b = stage.a, stage.b
    a.make_promiscuous()
    at_web, at_bbox = a.free_addresses(2)
    stage.network(NET, "macvlan", subnet=a.subnet, gateway=a.gateway, options={"parent": a.nic})
    web = a.container("web", f"{page('/srv', 3000)} && exec httpd -f -h /srv", network=NET, address=at_web)
    bbox = a.container("bbox", network=NET, address=at_bbox)
    b.serve_http(7000)
    web.until("wget -q -O /dev/null http://127.0.0.1/")

    with stage.listening(
        web.interface("eth0", "eth0 inside web, a macvlan child of host A's NIC"),
        bbox.interface("eth0", "eth0 inside bbox, a macvlan child of host A's NIC"),
        a.parent("NIC of host A, the parent of both"),
        b.parent("NIC of host B, at the other end of the wire"),
    ):
        stage.say("bbox to web: ping, HTTP")
        bbox.run(f"ping -c 3 -i 0.3 {web.address(NET)}")
        bbox.run(f"wget -q -O /dev/null http://{web.address(NET)}/")

        stage.say(f"bbox to host {b.name}: ping, HTTP")
        bbox.run(f"ping -c 3 -i 0.3 {b.address}")
        bbox.run(f"wget -q -O /dev/null http://{b.address}:7000/")

        stage.say(f"host {b.name} to web: HTTP")
        b.run(f"wget -q -O /dev/null http://{web.address(NET)}/")

        stage.say(f"host {a.name} to its own child web: no answer")
        a.fails(f"ping -c 1 -W 2 {web.address(NET)}")
