"""ipvlan-l2: two containers on the parent's own network, behind the parent's one MAC

                 host A                                                      host B
    ┌──────────────────────────────────────────────┐              ┌──────────────────────────┐
    │   one  httpd :80            two              │              │   web server  tcp 7000   │
    │   eth0 192.168.111.10       eth0 .11         │              │                          │
    │     │    MAC of ens33        │ MAC of ens33  │              │                          │
    │     └───── ipvlan, L2 ───────┘               │              │                          │
    │       one to two: handed over here           │              │                          │
    │                │                             │              │                          │
    │              ens33 192.168.111.128 ──────────┼──── wire ────┼── ens33 192.168.111.129  │
    └──────────────────────────────────────────────┘              └──────────────────────────┘

Builds  an ipvlan network in mode L2 on the NIC of host A, with that NIC's subnet and gateway; two containers on it,
        with addresses that were free there: one (a web server) and two. On host B a web server on port 7000.
Sends   one to two by ping, two to one by HTTP: the driver hands the packets over, the parent never sees them.
        one to host B by ping and HTTP; host B to one by ping and HTTP, host B to two by ping; host A to host B by
        ping: no NAT, and one MAC for host A, one and two.
Listens at eth0 of both containers, and ens33 of both hosts.
"""

from capnet.scenario.stage import Stage, page

NAME = "ipvlan-l2"
NEEDS_PEER = True
NEEDS_KERNEL: tuple[str, ...] = ("ipvlan",)

NET = "ipvlanA"


def play(stage: Stage) -> None:
    a, b = stage.a, stage.b
    first, second = a.free_addresses(2)
    stage.network(NET, "ipvlan", subnet=a.subnet, gateway=a.gateway, options={"parent": a.nic, "ipvlan_mode": "l2"})
    one = a.container("one", f"{page('/srv', 3000)} && exec httpd -f -h /srv", network=NET, address=first)
    two = a.container("two", network=NET, address=second)
    b.serve_http(7000)
    one.until("wget -q -O /dev/null http://127.0.0.1/")

    with stage.listening(
        one.interface("eth0", "eth0 inside one, a child of host A's NIC"),
        two.interface("eth0", "eth0 inside two, another child of it"),
        a.parent("NIC of host A, the parent of both"),
        b.parent("NIC of host B, at the other end of the wire"),
    ):
        stage.say("one to two: ping; two to one: HTTP")
        one.run(f"ping -c 3 -i 0.3 {second}")
        two.run(f"wget -q -O /dev/null http://{first}/")

        stage.say(f"one to host {b.name}: ping, HTTP")
        one.run(f"ping -c 3 -i 0.3 {b.address}")
        one.run(f"wget -q -O /dev/null http://{b.address}:7000/")

        stage.say(f"host {b.name} to one: ping, HTTP; to two: ping")
        b.run(f"ping -c 3 -i 0.3 {first}")
        b.run(f"wget -q -O /dev/null http://{first}/")
        b.run(f"ping -c 3 -i 0.3 {second}")

        stage.say(f"host {a.name} to host {b.name}: ping")
        a.run(f"ping -c 2 -i 0.3 {b.address}")
