"""Records ARP on a bridge that passes less than it seems, or is answered by more than one, as `record` does:

    sudo python -m tests.analysis.findings.recorded.record_neighbours [NAME]

    app 10.77.1.8, other 10.77.1.7  eth0 ── veth  node  cni0 10.77.1.1
    srv  eth1, eth2 ── veth  node  cni0

isolated-ports      the ports of both pods are isolated, and each asks for the other one; nothing else is wrong
removed-container   the veth of app goes amid the capture, while other sends to a group, and to app
two-cards-one-link  srv has eth1 10.77.1.21 and eth2 10.77.1.22 on the bridge; app asks for .21; nothing is wrong
two-cards-alike     the same, and eth1 answers first, by which srv sends; nothing is wrong
proxy-on-link       srv is 10.77.1.21, and answers for app, which it reaches itself, at once; nothing is wrong
two-owners          srv and router both have 10.77.1.21, and router 10.77.1.23 as well
"""

from __future__ import annotations

import subprocess
import sys

from tests.analysis.findings.recorded.record import FOLDER, Recording, bridge, link, record, run, start

Programs = list[subprocess.Popen[bytes]]
LISTEN = "import socket; s = socket.socket(2, 2); s.bind(('', 9))\nwhile 1: s.recv(9)"
SEND = """
import socket, time
s = socket.socket(2, 2); s.setsockopt(0, 33, 4); s.setsockopt(0, 32, socket.inet_aton("10.77.1.7")); s.bind(("", 4000))
time.sleep(2.5)
s.sendto(b"here", ("10.77.1.8", 9)); time.sleep(2)
for _ in range(8):
    s.sendto(b"here", ("239.1.2.3", 5000)); time.sleep(0.5)
time.sleep(60)
"""


def port(node: str, interface: str, addresses: str) -> None:
    """An interface of a node on the bridge."""
    link(node, interface, "node", f"veth-{node}{interface[-1]}")
    run("node", f"ip link set veth-{node}{interface[-1]} master cni0")
    for address in addresses.split():
        run(node, f"ip addr add {address}/24 dev {interface}")


def isolated_ports(_: Programs) -> None:
    bridge()
    run("node", "for pod in app other; do bridge link set dev veth-$pod isolated on; done")


def removed_container(programs: Programs) -> None:
    bridge()
    run("node", "ip link set cni0 type bridge mcast_snooping 0")
    programs += [start("app", "python3", "-c", LISTEN), start("other", "python3", "-c", SEND)]
    programs.append(start("node", "sh", "-c", "sleep 4; ip link del veth-app"))


def two_cards_one_link(_: Programs) -> None:
    bridge()
    port("srv", "eth1", "10.77.1.21")
    port("srv", "eth2", "10.77.1.22")


def two_cards_alike(_: Programs) -> None:
    bridge()
    port("srv", "eth2", "")
    port("srv", "eth1", "10.77.1.21")
    run("srv", "ip addr add 10.77.1.22/24 dev eth2")


def proxy_on_link(_: Programs) -> None:
    bridge()
    port("srv", "eth1", "10.77.1.21")
    run("srv", "sysctl -qw net.ipv4.conf.eth1.proxy_arp_pvlan=1 net.ipv4.conf.all.send_redirects=0 "
               "net.ipv4.conf.eth1.send_redirects=0 net.ipv4.neigh.eth1.proxy_delay=0")  # fmt: skip


def two_owners(_: Programs) -> None:
    bridge()
    port("srv", "eth1", "10.77.1.21")
    port("router", "eth2", "10.77.1.21 10.77.1.23")


_TO_BOTH = [("app", "10.77.1.1", 0), ("other", "10.77.1.1", 0)]
RECORDINGS: dict[str, Recording] = {
    "isolated-ports": (isolated_ports, ["node/cni0", "app/eth0", "node/veth-other"],
                       [*_TO_BOTH, ("app", "10.77.1.7", 0), ("other", "10.77.1.8", 0), *_TO_BOTH]),
    "removed-container": (removed_container, ["node/cni0", "node/veth-app"],
                          [("other", "10.77.1.8", 0), ("app", "10.77.1.1", 0), *[("other", "10.77.1.8", 0)] * 3,
                           *[("other", "10.77.1.1", 0)] * 4]),
    "two-cards-one-link": (two_cards_one_link, ["app/eth0"], [("app", "10.77.1.21", 0)]),
    "two-cards-alike": (two_cards_alike, ["app/eth0"], [("app", "10.77.1.21", 0)]),
    "proxy-on-link": (proxy_on_link, ["node/cni0"], [("other", "10.77.1.8", 0), ("app", "10.77.1.1", 0)]),
    "two-owners": (two_owners, ["app/eth0"], [("app", "10.77.1.21", 0), ("app", "10.77.1.23", 0)]),
}  # fmt: skip


def main() -> None:
    for name in sys.argv[1:] or RECORDINGS:
        record(name, RECORDINGS)
        for file in (FOLDER / name).glob("app__eth0.pcap"):
            file.rename(file.with_name("node__app__eth0.pcap"))  # a container of the node


if __name__ == "__main__":
    main()
