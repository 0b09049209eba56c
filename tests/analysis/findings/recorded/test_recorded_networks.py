"""Faults of recorded networks (`record`), of which the first screen must name the cause."""

from __future__ import annotations

from pathlib import Path

import pytest

from capnet.analysis.core.results import Finding
from capnet.analysis.engine import analyze

FOLDER = Path(__file__).parent
CAUSES = {
    "wrong-netmask": ("arp-unanswered", "error", "10.77.1.7 reaches it by the router"),
    "snat-address": ("arp-unanswered", "error", "SNAT at node/eth0 makes 10.77.1.8 that address"),
    "mac-filter": ("arp-unanswered", "error", "these questions do not come to node/cni0, where those of 10.77.1.7 do"),
    "vpn-route": ("handshake-unfinished", "error", "leave by node/tun0"),
    "pod-policy": ("stops-between", "error", "reach node/veth-app, none reaches node/veth-other"),
    "two-cards": ("handshake-unfinished", "error", "came in by srv/eth0, and 5 SYN-ACKs leave by srv/eth1"),
    "other-interface": ("handshake-unfinished", "error", "leave by node/eth0, and 5 SYN-ACKs come in by node/eth1"),
    "second-uplink": ("asymmetric-path", "error", "node/eth1 on the way there and node/eth0 on the way back; the"),
    "second-uplink-any": ("handshake-unfinished", "error", "came in by node/if6, and 11 SYN-ACKs leave by node/if4"),
    "no-default-route": ("reverse-path-filter", "warning", "the host has no route back to these senders"),
    "dead-backend": ("dnat-to-dead-backend", "error", "is translated to 10.77.1.9, which answers no question"),
    "filtered-pings": ("echo-unanswered", "warning", "accepts connections of 10.77.1.8 to port 80"),
    "unreachable-route": ("host-unreachable", "warning", "and says so at once"),
    "no-proxy-arp": ("arp-unanswered", "error", "by proxy ARP, as it does for 10.90.2.20 at node/veth-other"),
    "mtu-blackhole": ("mtu-blackhole", "error", "never got from node/eth0 to router/eth1"),
    "dead-next-hop": ("connection-unanswered", "warning", "which left by node/eth0, these by node/eth1"),
    "few-ports": ("snat-ports-exhausted", "error", "4 of the 4 source ports 40000 to 40003 of 10.50.0.11 are taken"),
    "flood-list": ("arp-unanswered", "error", "10.60.0.1 does not send these questions into the tunnel to 10.60.0.3"),
    "pod-without-arp": ("arp-unanswered", "warning", "10.5.0.1 asked for 10.5.0.3 by ARP 3 times, no answer"),
    "gre-keys": ("vni-mismatch", "error", "10.60.0.1 sends the packets of 10.6.1.1 and 10.6.2.1 in GRE key 7"),
    "wrong-vni": ("vni-mismatch", "error", "10.60.0.2 answers in VXLAN VNI 101"),
    "dns-of-one-pod": ("dns-failure", "warning", "it answered 10.77.1.7 meanwhile"),
    "endpoint-refuses": ("connection-refused", "warning", "accepted 2 connections of the same client"),
    "no-masquerade": ("connection-unanswered", "warning", "to 10.50.0.1 with the private address of 10.77.1.8"),
    "plain-to-tls": ("tls-mismatch", "warning", "while 2 connections with TLS are answered"),
    "tls-ca": ("tls-refused", "warning", "2 handshakes ended by the alert 'unknown CA' (48) of the client"),
    "tls-version": ("tls-refused", "warning", "2 handshakes ended by the alert 'protocol version' (70) of the server"),
    "tls-to-plain": ("tls-mismatch", "warning", "10.77.1.8 began TLS with 10.60.0.5:80"),
    "ftp-ports": ("ftp-data-failed", "warning", "to its ports 40000 and 40001; each is refused"),
    "redis-moved": ("advertised-address-fails", "warning", "10.77.1.8:7002"),
    "kafka-name": ("advertised-address-fails", "warning", "kafka:29092, which fails: DNS answers NXDOMAIN for kafka"),
    "kafka-localhost": ("advertised-address-fails", "warning", "localhost:9092, which is the client itself there"),
    "mongo-members": ("advertised-address-fails", "warning", "DNS answers NXDOMAIN for mongo1 and mongo2"),
    "nginx-port": (
        "advertised-address-fails",
        "warning",
        "10.50.0.11:8080, which fails: 2 connections there are refused",
    ),
    "wg-blocked": ("lost-on-the-wire", "error", "4 packets from 10.70.1.1 to 10.70.1.2 (udp port 51820)"),
    "wg-wrong-key": ("tunnel-one-way", "warning", "they come to right/eth0, the interface of 10.70.1.2"),
    "ike-blocked": ("lost-on-the-wire", "error", "4 packets from 10.70.1.1 to 10.70.1.2 (udp port 500)"),
    "ike-port-4500": ("lost-on-the-wire", "error", "4 packets from 10.70.1.1 to 10.70.1.2 (udp port 4500)"),
    "ike-no-proposal": ("session-refused", "warning", "NO_PROPOSAL_CHOSEN"),
    "vrrp-filtered": ("vrrp-split-brain", "error", "come to right/eth0, the interface of 10.70.1.2"),
    "vrrp-separated": ("vrrp-split-brain", "error", "do not come to right/eth0"),
    "vrrp-two-groups": ("vrrp-split-brain", "error", "those of 10.70.1.1 do not come to right/eth0"),
    "vrrp-intervals": ("vrrp-split-brain", "error", "their intervals differ, 1 and 2 s"),
    "bgp-peer-as": ("session-refused", "warning", "10.70.1.1 says that it is AS 64501"),
    "bgp-hold-time": ("session-refused", "warning", "unacceptable hold time (NOTIFICATION 2/6)"),
    "bgp-shutdown": ("session-refused", "warning", "administrative shutdown (NOTIFICATION 6/2)"),
    "bgp-expired": ("session-refused", "warning", "hold timer expired (NOTIFICATION 4/0)"),
    "bgp-password": ("connection-unanswered", "error", "only 10.70.1.1 has a password for the other"),
    "bgp-passwords": ("connection-unanswered", "error", "the SYNs of both ends carry a signature by TCP MD5"),
    "lost-way": ("connection-cut", "warning", "4 established connections with 4 servers got no answer"),
    "content-filter": ("connection-cut", "warning", "nothing answers what the client sends first: 24 bytes"),
    "forward-drop": ("connection-unanswered", "warning", "at node/eth0, by which those leave, they are not seen"),
    "forward-drop-any": ("connection-unanswered", "warning", "at node/if4, by which those leave, they are not seen"),
    "stray-masquerade": ("not-masqueraded", "warning", "10.60.0.5 answers the host itself"),
    "stray-masquerade-any": ("connection-unanswered", "warning", "with the address of 10.77.1.8, not with its own"),
    "ttl-set": ("ttl-too-small", "warning", "at node/cni0 they still have 64: what forwards them sets it"),
    "macvlan-private": ("arp-unanswered", "error", "at other/eth1, its own interface, which does not get these"),
    "ipv6-forwarding-off": ("forwarding-off", "error", "so it is with IPv6 only: IPv4 of the same container passes"),
    "ipv6-rejected": ("firewall-rejected", "error", "fd77::1 rejects tcp from fd77::8 to [fd60::5]:8080"),
    "ipv6-no-way-back": ("handshake-unfinished", "error", "fd60::1 rejects the answers: 'no route to destination'"),
    "answers-rejected": ("handshake-unfinished", "error", "10.77.1.1 rejects the answers: 'host administratively pro"),
    "second-address": ("connection-unanswered", "warning", "come from 10.50.0.12, those that were accepted from 10.50"),
    "reset-by-rule": ("connection-refused", "warning", "they do not get from node/cni0 to node/eth0, where 1 other"),
    "isolated-ports": ("isolated-on-bridge", "warning", "the questions reach node/cni0, none node/veth-other"),
    "two-owners": ("duplicate-ip", "error", "10.77.1.21 is claimed by"),
    "proxy-slow-backend": ("server-slow", "warning", "10.50.0.11:8080 waits for it, and answers as late"),
    "proxy-silent-backend": (
        "server-slow",
        "warning",
        "10.77.1.7:80, which acknowledges its requests and does not ans",
    ),
    "blackhole": ("connection-unanswered", "warning", "they are not seen at node/eth0"),
}
HEALTHY = [
    "path-mtu", "kept-way", "cluster-dns", "tls-healthy", "ftp-published", "redis-announced", "kafka-published",
    "kafka-forwarded", "mongo-published", "nginx-published", "wg-healthy", "wg-no-route", "ike-healthy",
    "ike-retried", "vrrp-handover", "bgp-healthy", "service-at-bridge", "service-of-pods", "two-uplinks",
    "proxy-healthy",
    "two-cards-one-link", "two-cards-alike", "proxy-on-link",
]  # fmt: skip


def _findings(name: str) -> list[Finding]:
    return analyze(sorted((FOLDER / name).glob("*.pcap"))).findings


@pytest.mark.parametrize("name", CAUSES)
def test_cause_is_the_only_problem_of_all_points(name: str) -> None:
    report = analyze(sorted((FOLDER / name).glob("*.pcap")))
    (problem,) = [finding for finding in report.findings if finding.level != "info" and not finding.explained_by]
    finding, level, words = CAUSES[name]
    assert (problem.name, problem.level) == (finding, level)
    assert words in problem.says


@pytest.mark.parametrize("name", HEALTHY)
def test_healthy_network_has_no_problem(name: str) -> None:
    report = analyze(sorted((FOLDER / name).glob("*.pcap")))
    assert [finding.name for finding in report.findings if finding.level != "info"] == []
    assert {fate.fate for fate in report.fates} <= {"delivered", "unknown", "copied"}


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*/*.pcap")), ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_one_point_alone_accuses_no_other(file: Path) -> None:
    """What one point does not show is not told as certain: an error names the same cause."""
    errors = {finding.name for finding in analyze(file).findings if finding.level == "error"}
    assert errors <= {CAUSES.get(file.parent.name, ("none",))[0]}


def test_promiscuous_bridge_is_between_its_ports() -> None:
    """It shows its copy of an answer after that has left by veth-app, translated back. Truth: record_ways."""
    report = analyze(sorted((FOLDER / "service-at-bridge").glob("*.pcap")))
    answers = [[hop.point for hop in path.hops] for path in report.paths if path.hops[0].point == "node/veth-other"]
    assert answers == [["node/veth-other", "node/cni0", "node/veth-app"]] * 4
    assert {(row.kind, row.before.dst, row.after.dst) for row in report.nat} == {("dnat", "10.96.0.10", "10.77.1.7")}
    assert len(report.nat) == 3


def test_question_that_a_host_drops_after_its_own_is_told() -> None:
    """A name server that answered the host itself before may have ended; the questions stop at the bridge."""
    report = analyze(sorted((FOLDER / "dns-forward-drop").glob("*.pcap")))
    (finding,) = [finding for finding in report.findings if finding.name == "dns-failure"]
    assert finding.says.endswith("2 DNS questions of 10.77.1.8; it answered 10.50.0.11 before, and nothing since")
    assert "what treats 10.77.1.8 unlike 10.50.0.11" in (finding.fix or "")
    assert "stops-between" in {other.name for other in report.findings}


@pytest.mark.parametrize(
    ("points", "name", "words"),
    [
        (("cni0", "eth0"), "stops-between", "or got a RST that node/cni0 does not show"),
        (("veth-app", "cni0"), "connection-refused", "the RST has TTL 64, what accepts connections there 62"),
        (("veth-app", "eth0"), "connection-refused", "the RST has TTL 64, what accepts connections there 63"),
    ],
)
def test_reset_of_a_rule_is_told_at_fewer_points(points: tuple[str, ...], name: str, words: str) -> None:
    """The node sends it out by the port that the SYN came in by, so the bridge does not show it."""
    report = analyze([FOLDER / "reset-by-rule" / f"node__{point}.pcap" for point in points])
    (problem,) = [finding for finding in report.findings if finding.level != "info" and not finding.explained_by]
    assert problem.name == name and words in problem.says


def test_next_hop_of_some_packets_is_told() -> None:
    """Policy routing: the same server answers the other pod before and after, by another next hop."""
    report = analyze(sorted((FOLDER / "route-by-mark").glob("*.pcap")))
    problems = [finding for finding in report.findings if finding.level != "info" and not finding.explained_by]
    assert [problem.name for problem in problems] == ["host-unreachable", "arp-unanswered"]
    assert "when no answer came from 10.50.0.77, to which it sends these packets" in problems[0].says
    assert problems[0].says.endswith("10.60.0.5 answers others: these packets alone go by 10.50.0.77")


@pytest.mark.parametrize(
    ("name", "others", "words"),
    [
        ("proxy-lost-backend", {"connection-unanswered"}, "10.77.1.7:80, which answers none of its SYNs"),
        ("proxy-no-backend", {"arp-unanswered"}, "; meanwhile 10.77.1.8 asked for the MAC of 10.77.1.9 in vain"),
        ("proxy-own-work", set(), "3 of 3 answers: median 1.5 s, longest 1.5 s"),
    ],
)
def test_slow_proxy_waits_for_its_backend(name: str, others: set[str], words: str) -> None:
    """Only where it does: a proxy that works by itself has its backend's answer long before."""
    problems = {finding.name: finding for finding in _findings(name) if finding.level != "info"}
    assert {*problems} - {"retransmissions"} == {"server-slow", *others}
    assert problems["server-slow"].says.endswith(words)
    assert ("waits_for" in problems["server-slow"].facts) == bool(others)


@pytest.mark.parametrize("name", ["ipv6-rejected", "ipv6-no-way-back"])
def test_next_step_about_ipv6_has_its_commands(name: str) -> None:
    (problem,) = [finding for finding in _findings(name) if finding.level != "info" and not finding.explained_by]
    assert "`ip6tables " in (problem.fix or "") and "`iptables" not in (problem.fix or "")


def test_ping_that_is_too_large_is_answered() -> None:
    """The router asks for smaller packets. Without "don't fragment" the same pings are answered, in fragments."""
    report = analyze(sorted((FOLDER / "large-pings").glob("*.pcap")))
    assert [finding.name for finding in report.findings if finding.level != "info"] == []
    answers = [answer for row in report.fates for answer in row.answers if answer.kind != "reply"]
    assert {(answer.kind, answer.from_, answer.says) for answer in answers} == {
        ("icmp-error", "10.50.0.1", "fragmentation needed")
    }


def test_network_that_two_bridges_have_is_told() -> None:
    """Answers to what the host translates are no requests to a published port, whatever host unreachable quotes."""
    report = analyze(sorted((FOLDER / "twin-networks").glob("*.pcap")))
    worst = report.findings[0]
    assert (worst.name, worst.level) == ("arp-unanswered", "error")
    assert "it is at node/br-0a1b2c3d4e5f, on another network of that host" in worst.says
    assert "dnat-to-dead-backend" not in {finding.name for finding in report.findings}


def test_interface_that_went_proves_no_loss() -> None:
    """The veth of a removed container shows neither pings nor datagrams to a group from then on."""
    report = analyze(sorted((FOLDER / "removed-container").glob("*.pcap")))
    assert {finding.name for finding in report.findings} == {"checksum-offload"}


@pytest.mark.parametrize(
    ("points", "name"),
    [
        (["node__app__eth0", "node__cni0"], "isolated-on-bridge"),
        (["node__cni0", "node__veth-other"], "isolated-on-bridge"),
        (["node__app__eth0", "node__veth-other"], "arp-unanswered"),
        (["node__cni0"], "arp-unanswered"),
    ],
)
def test_isolated_ports_are_told_by_bridge_and_port(points: list[str], name: str) -> None:
    """Without the bridge, both interfaces may be on two of them. None of it is macvlan."""
    report = analyze([FOLDER / "isolated-ports" / f"{point}.pcap" for point in points])
    assert {finding.name for finding in report.findings} == {name}


def test_tunnel_lost_on_the_wire_names_its_port() -> None:
    """WireGuard whose port is filtered: other packets arrive, so the drivers are not to blame."""
    report = analyze(sorted((FOLDER / "wg-blocked").glob("*.pcap")))
    (finding,) = [finding for finding in report.findings if finding.name == "lost-on-the-wire"]
    assert "look for what filters udp port 51820 between the two hosts" in (finding.fix or "")
