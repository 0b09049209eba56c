"""Records hosts that do not forward, translate or flood as they should, as `record` does and with its nodes:

    sudo python -m tests.analysis.findings.recorded.record_hosts [NAME]

content-filter       the router drops packets with a word that one request of `app` holds
twin-networks        the node has a second bridge with the same network, and `other` is on it
forward-drop         the node forwards nothing of `app`; and -any: at all interfaces of the node
stray-masquerade     the node's rule is for another network; and -any
ttl-set              the node sets the TTL of what it forwards to 1
macvlan-private      the pods are macvlan children in mode private, and one asks for the other
dns-forward-drop     the node answers itself by the name server, and forwards no questions of `app`
ipv6-forwarding-off  the node forwards IPv4, and no IPv6
second-address       the node translates app to a second address of its own, to which the router has no route back
large-pings          `app` sends pings with "don't fragment" that are larger than the MTU of the router's next link
route-by-mark        a rule of the node routes what app sends by a next hop that is not there
ipv6-no-way-back     the node forwards IPv6 without translating it, and the router has no route to its pods
ipv6-rejected        the node rejects IPv6 of `app` to port 8080, administratively prohibited
answers-rejected     bridged frames pass the node's rules, one of which rejects what `other` answers `app` from port 80
reset-by-rule        the node rejects connections of `app` with tcp-reset, and bridged frames pass its rules
"""

from __future__ import annotations

import subprocess
import sys

from tests.analysis.findings.recorded.record import SERVE, Recording, bridge, masquerade, record, run, start

Programs = list[subprocess.Popen[bytes]]
SECRET = "import socket, time; time.sleep(2.5); s = socket.create_connection(('10.60.0.5', 80)); s.send(b'GET /secret HTTP/1.0\\r\\n\\r\\n'); time.sleep(60)"  # noqa: E501
NAMES = "import socket; s = socket.socket(2, 2); s.bind(('', 53))\nwhile 1: d, a = s.recvfrom(999); s.sendto(d[:2] + b'\\x81\\x80' + d[4:6] + b'\\0\\1' + d[8:12] + d[12:] + b'\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\x3c\\0\\4\\x0a\\x3c\\0\\5', a)"  # noqa: E501
LOOK_UP = "import socket, time; time.sleep({wait}); s = socket.socket(2, 2); s.settimeout(1.5); q = b'\\x12\\x34\\1\\0\\0\\1' + bytes(6) + b'\\3srv\\7example\\0\\0\\1\\0\\1'\nfor _ in '12':\n try: s.sendto(q, ('10.60.0.5', 53)); s.recv(99); break\n except OSError: pass"  # noqa: E501
SERVE_V6 = "import http.server as s, socket; s.HTTPServer.address_family = socket.AF_INET6; s.HTTPServer(('::', 8080), s.SimpleHTTPRequestHandler).serve_forever()"  # noqa: E501


def content_filter(programs: Programs) -> None:
    bridge()
    masquerade()
    run("router", "iptables -A FORWARD -m string --string secret --algo bm -j DROP")
    programs.append(start("app", "python3", "-c", SECRET))


def twin_networks(_: Programs) -> None:
    bridge()
    masquerade()
    run("node", "ip link add br-0a1b2c3d4e5f type bridge; ip addr add 10.77.1.1/24 dev br-0a1b2c3d4e5f; "
                "ip link set br-0a1b2c3d4e5f up; ip link set veth-other master br-0a1b2c3d4e5f")  # fmt: skip


def forward_drop(_: Programs) -> None:
    bridge()
    masquerade()
    run("node", "iptables -A FORWARD -i cni0 -s 10.77.1.8 -j DROP")


def stray_masquerade(_: Programs) -> None:
    bridge()
    run("node", "iptables -t nat -A POSTROUTING -s 10.78.0.0/16 -j MASQUERADE")


def ttl_set(_: Programs) -> None:
    bridge()
    masquerade()
    run("node", "iptables -t mangle -A FORWARD -i cni0 -j TTL --ttl-set 1")


def macvlan_private(_: Programs) -> None:
    for pod, address in (("app", "10.50.0.21"), ("other", "10.50.0.22")):
        run("node", f"ip link add mv-{pod} link eth0 type macvlan mode private; ip link set mv-{pod} netns cap-{pod}")
        run(pod, f"ip link set mv-{pod} name eth1; ip addr add {address}/24 dev eth1; ip link set eth1 up")


def dns_forward_drop(programs: Programs) -> None:
    bridge()
    masquerade()
    run("node", "iptables -A FORWARD -p udp --dport 53 -j DROP")
    programs.append(start("srv", "python3", "-c", NAMES))
    programs.append(start("node", "python3", "-c", LOOK_UP.format(wait=2.5)))
    programs.append(start("app", "python3", "-c", LOOK_UP.format(wait=3)))


def ipv6_forwarding_off(programs: Programs) -> None:
    bridge()
    masquerade()
    for node in ("app", "node", "router", "srv"):
        run(node, "sysctl -qw net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.all.accept_ra=0")
    run("router", "sysctl -qw net.ipv6.conf.all.forwarding=1; ip addr add fd50::1/64 dev eth0 nodad; "
                  "ip addr add fd60::1/64 dev eth1 nodad; ip route add fd77::/64 via fd50::11")  # fmt: skip
    run("srv", "ip addr add fd60::5/64 dev eth0 nodad; ip route add default via fd60::1")
    run("node", "ip addr add fd50::11/64 dev eth0 nodad; ip addr add fd77::1/64 dev cni0 nodad; "
                "ip route add default via fd50::1")  # fmt: skip
    run("app", "ip addr add fd77::8/64 dev eth0 nodad; ip route add default via fd77::1")
    programs.append(start("srv", "python3", "-c", SERVE_V6))


def ipv6_forwarding_on(programs: Programs) -> None:
    ipv6_forwarding_off(programs)
    run("node", "sysctl -qw net.ipv6.conf.all.forwarding=1; ip route replace default via fd50::1")


def ipv6_rejected(programs: Programs) -> None:
    ipv6_forwarding_on(programs)
    run("node", "ip6tables -A FORWARD -s fd77::8 -p tcp --dport 8080 -j REJECT --reject-with icmp6-adm-prohibited")


def ipv6_no_way_back(programs: Programs) -> None:
    ipv6_forwarding_on(programs)
    run("router", "ip route del fd77::/64 via fd50::11")


def answers_rejected(programs: Programs) -> None:
    bridge()
    run("node", "sysctl -qw net.bridge.bridge-nf-call-iptables=1; iptables -A FORWARD -s 10.77.1.7 -d 10.77.1.8 -p tcp "
                "--sport 80 -j REJECT --reject-with icmp-host-prohibited")  # fmt: skip
    programs.append(start("other", "python3", "-c", SERVE))


def second_address(_: Programs) -> None:
    bridge()
    run("node", "ip addr add 10.50.0.12/24 dev eth0; "
                "iptables -t nat -A POSTROUTING -s 10.77.1.8 -o eth0 -j SNAT --to 10.50.0.12")  # fmt: skip
    masquerade()
    run("router", "ip route add prohibit 10.50.0.12")


def large_pings(programs: Programs) -> None:
    bridge()
    masquerade()
    run("router", "ip link set eth1 mtu 1200")
    run("srv", "ip link set eth0 mtu 1200")
    programs.append(
        start("app", "sh", "-c", "sleep 2.5; ping -c 1 -M do -s 1400 10.60.0.5; ping -c 2 -s 1400 10.60.0.5")
    )


def route_by_mark(_: Programs) -> None:
    bridge()
    masquerade()
    run("node", "iptables -t mangle -A PREROUTING -s 10.77.1.8 -j MARK --set-mark 5; "
                "ip rule add fwmark 5 table 99; ip route add default via 10.50.0.77 table 99")  # fmt: skip


def reset_by_rule(_: Programs) -> None:
    bridge()
    masquerade()
    run("node", "sysctl -qw net.bridge.bridge-nf-call-iptables=1; "
                "iptables -A FORWARD -s 10.77.1.8 -p tcp --dport 80 -j REJECT --reject-with tcp-reset")  # fmt: skip


_BOTH = ["node/cni0", "node/eth0"]
_NODE_AND_APP = [("node", "10.60.0.5", 80), *[("app", "10.60.0.5", 80)] * 2]
RECORDINGS: dict[str, Recording] = {
    "content-filter": (content_filter, [*_BOTH, "router/eth1"],
                       [("other", "10.60.0.5", 80), *[("other", "10.60.0.1", 0)] * 4, ("other", "10.60.0.5", 80)]),
    "twin-networks": (twin_networks, [*_BOTH, "node/br-0a1b2c3d4e5f"],
                      [("app", "10.60.0.5", 80), ("other", "10.60.0.5", 80)]),
    "forward-drop": (forward_drop, _BOTH, _NODE_AND_APP),
    "forward-drop-any": (forward_drop, ["node/any"], _NODE_AND_APP),
    "stray-masquerade": (stray_masquerade, _BOTH, _NODE_AND_APP),
    "stray-masquerade-any": (stray_masquerade, ["node/any"], _NODE_AND_APP),
    "ttl-set": (ttl_set, _BOTH, _NODE_AND_APP),
    "macvlan-private": (macvlan_private, ["node/eth0", "app/eth1", "other/eth1"],
                        [("app", "10.50.0.1", 0), ("other", "10.50.0.1", 0), ("app", "10.50.0.22", 80),
                         ("other", "10.50.0.1", 0)]),
    "dns-forward-drop": (dns_forward_drop, _BOTH,
                         [*[("other", "10.60.0.5", 80)] * 3, *[("app", "10.60.0.1", 0)] * 6]),
    "second-address": (second_address, _BOTH, [("other", "10.60.0.5", 80), *[("app", "10.60.0.5", 80)] * 2]),
    "large-pings": (large_pings, _BOTH, [("other", "10.60.0.1", 0)] * 5),
    "route-by-mark": (route_by_mark, _BOTH,
                      [("other", "10.60.0.5", 80), *[("app", "10.60.0.5", 80)] * 2, ("other", "10.60.0.5", 0)]),
    "reset-by-rule": (reset_by_rule, ["node/veth-app", *_BOTH],
                      [("other", "10.60.0.5", 80), *[("app", "10.60.0.5", 80)] * 3, *[("other", "10.60.0.1", 0)] * 3]),
    "answers-rejected": (answers_rejected, ["node/veth-app", "node/cni0", "node/veth-other"],
                         [("node", "10.77.1.7", 80), *[("app", "10.77.1.7", 80)] * 2]),
    "ipv6-rejected": (ipv6_rejected, _BOTH, [("node", "fd60::5", 8080), *[("app", "fd60::5", 8080)] * 2]),
    "ipv6-no-way-back": (ipv6_no_way_back, [*_BOTH, "srv/eth0"],
                         [("node", "fd60::5", 8080), ("app", "10.60.0.5", 80), ("app", "fd60::5", 8080)]),
    "ipv6-forwarding-off": (ipv6_forwarding_off, _BOTH,
                            [("node", "fd60::5", 8080), ("app", "10.60.0.5", 80), ("app", "fd60::5", 8080)]),
}  # fmt: skip


def main() -> None:
    for name in sys.argv[1:] or RECORDINGS:
        record(name, RECORDINGS)


if __name__ == "__main__":
    main()
