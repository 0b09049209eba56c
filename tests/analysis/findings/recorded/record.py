"""Records faults of networks without Docker in network namespaces of this machine, as root with iproute2, iptables,
nftables and tcpdump:

    sudo python -m tests.analysis.findings.recorded.record

    app, other  eth0 ── veth  node  eth0 ── eth0  router  eth1 ── eth0  srv 10.60.0.5:80
                        cni0 10.77.1.1/24, or a routed link for each pod, as Calico makes them

wrong-netmask   `app` takes 10.60.0.5 for a neighbor, `other` does not; at node/cni0 and app/eth0
snat-address    the node translates to 10.50.0.99, which it has not; at node/cni0 and node/eth0
mac-filter      a filter of the bridge knows another MAC for app's port; at app/eth0, node/veth-app, node/cni0
vpn-route       the client's network has a route to a tun device; at node/eth0, node/cni0, node/tun0
pod-policy      the node drops what one pod sends to another; at both veths
routed-pods     the same without the policy; nothing is wrong
blackhole       the node has a blackhole route to 10.60.0.0/24; at node/cni0 and node/eth0

Programs and namespaces are ended in any case.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

FOLDER = Path(__file__).parent
NODES = ("app", "other", "node", "router", "srv")
SERVE = "import http.server as s; s.HTTPServer(('', 80), s.SimpleHTTPRequestHandler).serve_forever()"
ASK = "import socket, sys; s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 3.5); s.send(b'GET / HTTP/1.0\\r\\n\\r\\n'); s.recv(99)"  # noqa: E501
TUN = "import fcntl, os, struct, time; f = os.open('/dev/net/tun', 2); fcntl.ioctl(f, 0x400454CA, struct.pack('16sH14x', b'tun0', 0x1001)); time.sleep(60)"  # noqa: E501


def run(node: str, commands: str, is_checked: bool = True) -> None:
    words = ["ip", "netns", "exec", f"cap-{node}", "sh", "-ec", commands]
    subprocess.run(
        words, check=is_checked, stdout=subprocess.DEVNULL, stderr=None if is_checked else subprocess.DEVNULL
    )


def start(node: str, *words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ["ip", "netns", "exec", f"cap-{node}", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def ask(node: str, address: str = "10.60.0.5", port: int = 80) -> None:
    command = f'python3 -c "{ASK}" {address} {port}' if port else f"ping -c 3 -i 0.3 -W 1 {address}"
    run(node, command, is_checked=False)


def link(node: str, interface: str, peer: str, peer_interface: str) -> None:
    subprocess.run(["ip", "link", "add", interface, "netns", f"cap-{node}", "type", "veth", "peer", "name",
                    peer_interface, "netns", f"cap-{peer}"], check=True)  # fmt: skip
    run(node, f"ip link set {interface} up")
    run(peer, f"ip link set {peer_interface} up")


@contextmanager
def namespaces(names: Iterable[str]) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Namespaces that forward IPv4. They are removed, and programs that are appended to the list are ended."""
    programs: list[subprocess.Popen[bytes]] = []
    names = list(names)
    try:
        for name in names:
            subprocess.run(["ip", "netns", "add", f"cap-{name}"], check=True)
            run(name, "sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1; "
                      "sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0; ip link set lo up")  # fmt: skip
        yield programs
    finally:
        for program in programs:
            program.terminate()
            program.wait()
        for name in names:
            subprocess.run(["ip", "netns", "del", f"cap-{name}"], check=False)


@contextmanager
def network() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Two pods without addresses, and the way from the node to the server."""
    with namespaces(NODES) as programs:
        for pod in ("app", "other"):
            link(pod, "eth0", "node", f"veth-{pod}")
        link("node", "eth0", "router", "eth0")
        link("srv", "eth0", "router", "eth1")
        run("node", "ip addr add 10.50.0.11/24 dev eth0; ip route add default via 10.50.0.1")
        run("router", "ip addr add 10.50.0.1/24 dev eth0; ip addr add 10.60.0.1/24 dev eth1")
        run("srv", "ip addr add 10.60.0.5/24 dev eth0; ip route add default via 10.60.0.1")
        programs.append(start("srv", "python3", "-c", SERVE))
        yield programs


def bridge(app_prefix: int = 24) -> None:
    run("node", "ip link add cni0 type bridge; ip addr add 10.77.1.1/24 dev cni0; ip link set cni0 up; "
                "ip link set veth-app master cni0; ip link set veth-other master cni0")  # fmt: skip
    for pod, address in (("app", f"10.77.1.8/{app_prefix}"), ("other", "10.77.1.7/24")):
        run(pod, f"ip addr add {address} dev eth0; ip route add default via 10.77.1.1")


def masquerade(target: str = "MASQUERADE") -> None:
    run("node", f"iptables -t nat -A POSTROUTING -s 10.77.1.0/24 ! -d 10.77.1.0/24 -j {target}")


def wrong_netmask(_: list[subprocess.Popen[bytes]]) -> None:
    bridge(app_prefix=8)
    masquerade()


def snat_address(_: list[subprocess.Popen[bytes]]) -> None:
    bridge()
    masquerade("SNAT --to-source 10.50.0.99")


def mac_filter(_: list[subprocess.Popen[bytes]]) -> None:
    bridge()
    masquerade()
    run("node", "nft add table bridge f; nft 'add chain bridge f pre { type filter hook prerouting priority -300; }'; "
                "nft add rule bridge f pre iifname veth-app drop")  # fmt: skip


def vpn_route(programs: list[subprocess.Popen[bytes]]) -> None:
    bridge()
    programs += [start("node", "python3", "-c", TUN), start("app", "python3", "-c", SERVE)]
    time.sleep(1)  # the tun device comes
    run("node", "iptables -t nat -A PREROUTING -i eth0 -p tcp --dport 8080 -j DNAT --to 10.77.1.8:80; "
                "ip link set tun0 up; ip route add 10.60.0.0/16 dev tun0")  # fmt: skip


def routed_pods(programs: list[subprocess.Popen[bytes]]) -> None:
    for pod, address in (("app", "10.90.2.14"), ("other", "10.90.2.20")):
        run(pod, f"ip addr add {address}/32 dev eth0; ip route add 169.254.1.1 dev eth0 scope link; "
                 "ip route add default via 169.254.1.1")  # fmt: skip
        card = f"veth-{pod}"
        run("node", f"ip link set {card} address ee:ee:ee:ee:ee:ee; ip route add {address} dev {card}; "
                    f"sysctl -qw net.ipv4.conf.{card}.proxy_arp=1 net.ipv4.neigh.{card}.proxy_delay=0")  # fmt: skip
    programs.append(start("other", "python3", "-c", SERVE))


def pod_policy(programs: list[subprocess.Popen[bytes]]) -> None:
    routed_pods(programs)
    run("node", "iptables -A FORWARD -s 10.90.2.14 -d 10.90.2.20 -j DROP")


def blackhole(programs: list[subprocess.Popen[bytes]]) -> None:
    bridge()
    masquerade()
    run("node", "ip route add blackhole 10.60.0.0/24")
    programs.append(start("router", "python3", "-c", SERVE))


Asks = list[tuple[str, str, int]]  # node, address, port of TCP; 0: three pings
Opened = AbstractContextManager[list[subprocess.Popen[bytes]]]
Recording = tuple[Callable[[list[subprocess.Popen[bytes]]], None], list[str], Asks]
RECORDINGS: dict[str, Recording] = {
    "wrong-netmask": (wrong_netmask, ["node/cni0", "app/eth0"],
                      [("other", "10.60.0.5", 80), ("app", "10.60.0.5", 80), ("other", "10.60.0.5", 80)]),
    "snat-address": (snat_address, ["node/cni0", "node/eth0"], [("node", "10.60.0.5", 80), ("app", "10.60.0.5", 80)]),
    "mac-filter": (mac_filter, ["app/eth0", "node/veth-app", "node/cni0"],
                   [("other", "10.60.0.5", 80), ("app", "10.60.0.5", 80)]),
    "vpn-route": (vpn_route, ["node/eth0", "node/cni0", "node/tun0"],
                  [("router", "10.50.0.11", 8080), ("srv", "10.50.0.11", 8080)]),
    "pod-policy": (pod_policy, ["node/veth-app", "node/veth-other"],
                   [("node", "10.90.2.20", 80), ("app", "10.90.2.20", 80), ("node", "10.90.2.20", 80)]),
    "routed-pods": (routed_pods, ["node/veth-app", "node/veth-other"],
                    [("app", "10.90.2.20", 80), ("app", "10.90.2.20", 0)]),
    "blackhole": (blackhole, ["node/cni0", "node/eth0"],
                  [("app", "10.50.0.1", 80), ("app", "10.60.0.5", 80), ("app", "10.50.0.1", 80)]),
}  # fmt: skip


def record(name: str, recordings: dict[str, Recording] = RECORDINGS, opened: Callable[[], Opened] = network) -> None:
    build, points, asks = recordings[name]
    with opened() as programs:
        build(programs)
        time.sleep(1)  # servers listen
        files = {point: FOLDER / name / f"{point.replace('/', '__')}.pcap" for point in points}
        (FOLDER / name).mkdir(exist_ok=True)
        taps = [
            start(
                point.partition("/")[0], "tcpdump", "-i", point.partition("/")[2], "-U", "-Z", "root", "-w", str(file)
            )
            for point, file in files.items()
        ]
        time.sleep(1)  # they listen
        for node, address, port in asks:
            ask(node, address, port)
        time.sleep(1)  # the last packets are on their way to the files
        for tap in taps:
            tap.send_signal(2)
            tap.wait()


def main() -> None:
    for name in RECORDINGS:
        record(name)


if __name__ == "__main__":
    main()
