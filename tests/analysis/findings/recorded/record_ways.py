"""Records networks in which packets take two ways, as `record` does and with its nodes:

    sudo python -m tests.analysis.findings.recorded.record_ways [NAME]

two-cards        the server's route leaves by a second card, behind which a firewall did not see the SYN
no-default-route the server has a route to its own network only
unreachable-route the node has a route of type unreachable to 10.60.0.9
no-proxy-arp     pods with routed links, of which the node answers `other` for their gateway and not `app`
few-ports        the node translates to four ports, and `app` keeps four connections open
service-of-pods  the pods are the servers of a service that one of them asks, and the bridge is promiscuous
service-at-bridge a pod asks for the other one by the address of a service, and itself; the bridge is promiscuous
path-mtu         the router tells `app` of a smaller MTU, and its data arrives; nothing is wrong
mtu-blackhole    the same, and a rule drops what the router tells
dead-next-hop    a rule by source gives `app` another next hop, which forwards nothing
filtered-pings   the server drops echo requests
kept-way         `app` asks four servers again and again; nothing is wrong
lost-way         the same, and after 7 s the router forwards nothing any more
dead-backend     the node shares a port between `app` and 10.77.1.9, which no host has
other-interface  the router answers by the node's second card, where the node's connection table has another zone
second-uplink    `app` is published at the node's second card, its answers leave by the first one, where the router
                 drops them; and -any: at all interfaces of the node
two-uplinks      the same, and the router takes them; nothing is wrong
"""

from __future__ import annotations

import subprocess
import sys

from tests.analysis.findings.recorded.record import SERVE, Recording, bridge, link, masquerade, record, run, start

KEEP = "import socket, time; time.sleep(2.5); s = [socket.create_connection(('10.60.0.5', 80)) for _ in range(4)]; time.sleep(60)"  # noqa: E501
POST = "import socket, time; time.sleep(2.5); s = socket.create_connection(('10.60.0.5', 80)); s.send(b'POST / HTTP/1.0\\r\\n\\r\\n' + bytes(6000)); s.recv(99); time.sleep(60)"  # noqa: E501
ECHO = "import socketserver as s; s.ThreadingTCPServer(('', 7), type('H', (s.StreamRequestHandler,), {'handle': lambda h: [h.wfile.write(l) for l in h.rfile]})).serve_forever()"  # noqa: E501
ASK_FOUR = """
import socket, time
time.sleep(2.5)
peers = [socket.create_connection((f"10.60.0.{number}", 7)) for number in (5, 6, 7, 8)]
for second in range(20):
    for number, peer in enumerate(peers):
        peer.setblocking(False)
        if number < 2 or second in (0, 14):  # the others are idle for a while
            peer.send(b"ask\\n")
    time.sleep(0.5)
time.sleep(60)
"""
Programs = list[subprocess.Popen[bytes]]
OTHER_ZONE = (
    "iptables -t raw -A PREROUTING -i {card} -j CT --zone 5; "
    "iptables -A FORWARD -m conntrack --ctstate INVALID -j DROP; "
    "iptables -A FORWARD -i {card} -p tcp -m conntrack --ctstate NEW ! --syn -j DROP"
)


def two_cards(_: Programs) -> None:
    bridge()
    masquerade()
    link("srv", "eth1", "router", "eth2")
    run("srv", "ip addr add 10.61.0.5/24 dev eth1; ip route replace default via 10.61.0.1")
    run("router", "ip addr add 10.61.0.1/24 dev eth2; " + OTHER_ZONE.format(card="eth2"))


def other_interface(_: Programs) -> None:
    bridge()
    link("node", "eth1", "router", "eth2")
    run("node", "ip addr add 10.51.0.11/24 dev eth1; " + OTHER_ZONE.format(card="eth1"))
    run("router", "ip addr add 10.51.0.1/24 dev eth2; ip route add 10.77.1.7 via 10.50.0.11; "
                  "ip route add 10.77.1.0/24 via 10.51.0.11")  # fmt: skip


def two_uplinks(programs: Programs) -> None:
    bridge()
    link("node", "eth1", "router", "eth2")
    run("node", "ip addr add 10.51.0.11/24 dev eth1; "
                "iptables -t nat -A PREROUTING -i eth+ -p tcp --dport 8080 -j DNAT --to 10.77.1.8:80")  # fmt: skip
    run("router", "ip addr add 10.51.0.1/24 dev eth2")
    programs.append(start("app", "python3", "-c", SERVE))


def second_uplink(programs: Programs) -> None:
    two_uplinks(programs)
    run("router", "iptables -t raw -A PREROUTING -i eth0 -s 10.51.0.11 -j DROP")


def no_default_route(_: Programs) -> None:
    bridge()
    masquerade()
    run("srv", "ip route del default")


def unreachable_route(_: Programs) -> None:
    bridge()
    masquerade()
    run("node", "ip route add unreachable 10.60.0.9")


def no_proxy_arp(_: Programs) -> None:
    for pod, address in (("app", "10.90.2.14"), ("other", "10.90.2.20")):
        run(pod, f"ip addr add {address}/32 dev eth0; ip route add 169.254.1.1 dev eth0 scope link; "
                 "ip route add default via 169.254.1.1")  # fmt: skip
        run("node", f"ip link set veth-{pod} address ee:ee:ee:ee:ee:ee; ip route add {address} dev veth-{pod}; "
                    f"sysctl -qw net.ipv4.neigh.veth-{pod}.proxy_delay=0")  # fmt: skip
    run("node", "sysctl -qw net.ipv4.conf.veth-other.proxy_arp=1; iptables -t nat -A POSTROUTING -j MASQUERADE")


def few_ports(programs: Programs) -> None:
    bridge()
    programs.append(start("app", "python3", "-c", KEEP))
    rule = "iptables -t nat -A POSTROUTING -s 10.77.1.0/24 -o eth0"
    run("node", f"{rule} -p tcp -j MASQUERADE --to-ports 40000-40003; {rule} -j MASQUERADE")


def service_of_pods(programs: Programs) -> None:
    bridge()
    rule = "iptables -t nat -A PREROUTING -d 10.96.0.10 -p tcp --dport 80"
    run("node", f"{rule} -m statistic --mode nth --every 2 --packet 0 -j DNAT --to 10.77.1.8:80; "
                f"{rule} -j DNAT --to 10.77.1.7:80; sysctl -qw net.bridge.bridge-nf-call-iptables=1; "
                "iptables -t nat -A POSTROUTING -m conntrack --ctorigdst 10.96.0.10 -j MASQUERADE")  # fmt: skip
    run("router", "ip route add 10.96.0.0/16 via 10.50.0.11")
    programs.extend(start(pod, "python3", "-c", SERVE) for pod in ("app", "other"))


def service_at_bridge(programs: Programs) -> None:
    bridge()
    run("node", "iptables -t nat -A PREROUTING -d 10.96.0.10 -p tcp --dport 80 -j DNAT --to 10.77.1.7:80; "
                "sysctl -qw net.bridge.bridge-nf-call-iptables=1")  # fmt: skip
    programs.append(start("other", "python3", "-c", SERVE))


def path_mtu(programs: Programs) -> None:
    bridge()
    masquerade()
    run("router", "ip link set eth1 mtu 1400")
    programs.append(start("app", "python3", "-c", POST))


def mtu_blackhole(programs: Programs) -> None:
    path_mtu(programs)
    run("router", "iptables -A OUTPUT -p icmp --icmp-type fragmentation-needed -j DROP")


def dead_next_hop(_: Programs) -> None:
    bridge()
    link("node", "eth1", "router", "eth2")
    run("node", "ip addr add 10.51.0.11/24 dev eth1; ip rule add from 10.77.1.8 table 7; "
                "ip route add default via 10.51.0.1 table 7")  # fmt: skip
    run("router", "ip addr add 10.51.0.1/24 dev eth2; ip route add 10.77.1.0/24 via 10.50.0.11; "
                  "iptables -A FORWARD -i eth2 -j DROP")  # fmt: skip


def filtered_pings(_: Programs) -> None:
    bridge()
    masquerade()
    run("srv", "iptables -A INPUT -p icmp --icmp-type echo-request -j DROP")


def kept_way(programs: Programs) -> None:
    bridge()
    masquerade()
    run("srv", "for number in 6 7 8; do ip addr add 10.60.0.$number/24 dev eth0; done")
    programs += [start("srv", "python3", "-c", ECHO), start("app", "python3", "-c", ASK_FOUR)]


def lost_way(programs: Programs) -> None:
    kept_way(programs)
    programs.append(start("router", "sh", "-c", "sleep 7; iptables -I FORWARD -j DROP"))


def dead_backend(programs: Programs) -> None:
    bridge()
    programs.append(start("app", "python3", "-c", SERVE))
    rule = "iptables -t nat -A PREROUTING -i eth0 -p tcp --dport 8080 "
    run("node", f"{rule} -m statistic --mode nth --every 2 --packet 0 -j DNAT --to 10.77.1.8:80; "
                f"{rule} -j DNAT --to 10.77.1.9:80")  # fmt: skip


_TO_APP = [("srv", "10.50.0.11", 8080), *[("srv", "10.51.0.11", 8080)] * 2]
RECORDINGS: dict[str, Recording] = {
    "two-cards": (two_cards, ["node/eth0", "srv/eth0", "srv/eth1"],
                  [("router", "10.60.0.5", 80), ("app", "10.60.0.5", 80)]),
    "no-default-route": (no_default_route, ["node/cni0", "srv/eth0"],
                         [("router", "10.60.0.5", 80), ("app", "10.60.0.5", 80), ("app", "10.60.0.5", 0)]),
    "unreachable-route": (unreachable_route, ["node/cni0", "node/eth0"],
                          [("other", "10.60.0.5", 80), *[("app", "10.60.0.9", 80)] * 2]),
    "no-proxy-arp": (no_proxy_arp, ["node/veth-app", "node/veth-other"],
                     [("other", "10.60.0.5", 80), ("app", "10.60.0.5", 80)]),
    "few-ports": (few_ports, ["node/cni0", "node/eth0"],
                  [*[("app", "10.60.0.1", 0)] * 2, *[("other", "10.60.0.5", 80)] * 2, ("app", "10.60.0.5", 0)]),
    "service-of-pods": (service_of_pods, ["node/cni0", "node/veth-app"],
                        [("router", "10.96.0.10", 80)] * 4 + [("app", "10.96.0.10", 80), ("other", "10.96.0.10", 80)]),
    "service-at-bridge": (service_at_bridge, ["node/cni0", "node/veth-app", "node/veth-other"],
                          [("app", "10.96.0.10", 80)] * 3 + [("app", "10.77.1.7", 80)]),
    "path-mtu": (path_mtu, ["node/cni0", "router/eth1"], [("other", "10.60.0.5", 0)] * 3),
    "mtu-blackhole": (mtu_blackhole, ["node/cni0", "node/eth0", "router/eth1"], [("other", "10.60.0.5", 0)] * 6),
    "dead-next-hop": (dead_next_hop, ["node/cni0", "node/eth0", "node/eth1"],
                      [("app", "10.60.0.5", 80), ("other", "10.60.0.5", 80)]),
    "filtered-pings": (filtered_pings, ["node/cni0", "srv/eth0"],
                       [("app", "10.60.0.5", 0), ("other", "10.60.0.1", 0), ("app", "10.60.0.5", 80)]),
    "kept-way": (kept_way, ["node/cni0", "node/eth0"], [("other", "10.77.1.1", 0)] * 18),
    "lost-way": (lost_way, ["node/cni0", "node/eth0"], [("other", "10.77.1.1", 0)] * 18),
    "dead-backend": (dead_backend, ["node/eth0", "node/cni0"], [("srv", "10.50.0.11", 8080)] * 4),
    "two-uplinks": (two_uplinks, ["node/cni0", "node/eth0", "node/eth1"], _TO_APP),
    "second-uplink": (second_uplink, ["node/cni0", "node/eth0", "node/eth1"], _TO_APP),
    "second-uplink-any": (second_uplink, ["node/any"], _TO_APP),
    "other-interface": (other_interface, ["node/cni0", "node/eth0", "node/eth1"],
                        [("other", "10.60.0.5", 80), ("app", "10.60.0.5", 80)]),
}  # fmt: skip


def main() -> None:
    for name in sys.argv[1:] or RECORDINGS:
        record(name, RECORDINGS)


if __name__ == "__main__":
    main()
