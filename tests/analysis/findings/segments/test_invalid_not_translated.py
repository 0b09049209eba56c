"""invalid-not-translated: the host resets a container's connection, because one segment was not translated.

The stories have container C1 on host A, which fetches data from host B; A masquerades it.
"""

from __future__ import annotations

from pathlib import Path

from tests.analysis.findings.reported import CARD_A, CARD_B, Findings, of_story
from tests.stories import ACK, PSH, RST, SYN, Network, Packet, tcp
from tests.story_reports import C1, A, B

BRIDGE_MAC, CONTAINER_MAC = "02:42:00:00:00:01", "02:42:ac:11:00:02"
POINTS = ["A/docker0", "A/ens33"]
CLIENT_SEQ, SERVER_SEQ = 1000, 500_000
FAR = SERVER_SEQ + 3_000_000


def from_container(net: Network, seq: int, ack: int, flags: int = ACK, payload: bytes = b"") -> None:
    inside = tcp(f"{C1}:47004 > {B}:80", payload, seq=seq, ack=ack, flags=flags, ident=seq & 0xFFFF, smac=CONTAINER_MAC,
                 dmac=BRIDGE_MAC)  # fmt: skip
    outside = inside.routed(src=A, smac=CARD_A, dmac=CARD_B)
    net.pass_by(
        *((point, form) for point, form in (("A/docker0", inside), ("A/ens33", outside)) if point in net.points)
    )


def from_server(net: Network, seq: int, flags: int = ACK, payload: bytes = b"", lost: bool = False) -> None:
    """A segment of B; `lost`: A does not pass it on."""
    outside = tcp(f"{B}:80 > {A}:47004", payload, seq=seq, ack=CLIENT_SEQ + 11, flags=flags, ident=seq >> 4 & 0xFFFF,
                  smac=CARD_B, dmac=CARD_A)  # fmt: skip
    inside = outside.routed(dst=C1, smac=BRIDGE_MAC, dmac=CONTAINER_MAC)
    hops = (("A/ens33", outside), ("A/docker0", inside))
    net.pass_by(*((point, form) for point, form in hops if point in net.points and not (lost and point == "A/docker0")))


def host_rst(ttl: int = 64) -> Packet:
    """What A's own stack answers: it has no such connection (RFC 9293 section 3.10.7.1)."""
    return tcp(f"{A}:47004 > {B}:80", seq=CLIENT_SEQ + 11, flags=RST, smac=CARD_A, dmac=CARD_B, ttl=ttl)


def fetch(net: Network) -> int:
    """The connection, a request, and 6 segments of the answer; returns the sequence number that comes next."""
    from_container(net, CLIENT_SEQ, 0, SYN)
    from_server(net, SERVER_SEQ, SYN | ACK)
    from_container(net, CLIENT_SEQ + 1, SERVER_SEQ + 1, ACK | PSH, b"GET / HTTP")
    seq = SERVER_SEQ + 1
    for _ in range(6):
        from_server(net, seq, ACK | PSH, bytes(1200))
        seq += 1200
        from_container(net, CLIENT_SEQ + 11, seq)
    return seq


def invalid(net: Network, folder: Path) -> Findings:
    return of_story(net, folder, "invalid-not-translated")


def test_segment_beyond_the_window_is_told(tmp_path: Path) -> None:
    net = Network(POINTS)
    seq = fetch(net)
    from_server(net, FAR, ACK | PSH, bytes(1200), lost=True)
    net.pass_by(("A/ens33", host_rst()))
    (finding,) = invalid(net, tmp_path)
    assert finding["level"] == "error"
    assert finding["facts"]["octets_ahead"] == FAR - seq
    assert finding["facts"]["connection"] == f"{A}:47004 → {B}:80"
    assert {frame["point"] for frame in finding["evidence"]} == set(POINTS)
    assert of_story(net, tmp_path, "sequence-gap") == []


def test_outer_point_alone_is_told(tmp_path: Path) -> None:
    """The TTL tells that the host sent the RST itself: what it forwards has one hop less."""
    net = Network(["A/ens33"])
    fetch(net)
    from_server(net, FAR, ACK | PSH, bytes(1200))
    net.pass_by(("A/ens33", host_rst()))
    (finding,) = invalid(net, tmp_path)
    assert finding["level"] == "warning"


def test_old_segment_of_a_living_connection_is_told(tmp_path: Path) -> None:
    """Behind the RST, the container's packets are still translated: the entry exists."""
    net = Network(POINTS)
    seq = fetch(net)
    from_server(net, SERVER_SEQ - 200_000, ACK, bytes(100), lost=True)
    net.pass_by(("A/ens33", host_rst()))
    from_container(net, CLIENT_SEQ + 11, seq, ACK | PSH, b"more")
    (finding,) = invalid(net, tmp_path)
    assert finding["level"] == "error" and finding["facts"]["octets_ahead"] == 0


def test_connection_of_ipv6_is_told(tmp_path: Path) -> None:
    """NAT66: Docker masquerades IPv6 as well."""
    client, host, server = "fd00::2", "2001:db8::1", "2001:db8::2"
    net = Network(POINTS)

    def outward(seq: int, flags: int, payload: bytes = b"") -> None:
        inside = tcp(f"[{client}]:47004 > [{server}]:80", payload, seq=seq, flags=flags, smac=CONTAINER_MAC)
        net.pass_by(("A/docker0", inside), ("A/ens33", inside.routed(src=host, smac=CARD_A, dmac=CARD_B)))

    def inward(seq: int, flags: int, payload: bytes = b"") -> Packet:
        return tcp(f"[{server}]:80 > [{host}]:47004", payload, seq=seq, flags=flags, smac=CARD_B, dmac=CARD_A)

    outward(100, SYN)
    for seq, flags, payload in ((500, SYN | ACK, b""), (501, ACK, bytes(1000)), (1501, ACK, bytes(1000))):
        packet = inward(seq, flags, payload)
        net.pass_by(("A/ens33", packet), ("A/docker0", packet.routed(dst=client, smac=BRIDGE_MAC, dmac=CONTAINER_MAC)))
        outward(101, ACK, b"next %d" % seq)
    net.pass_by(("A/ens33", inward(9_000_000, ACK, bytes(1000))))
    rst = tcp(f"[{host}]:47004 > [{server}]:80", seq=101, flags=RST, smac=CARD_A, dmac=CARD_B)
    net.pass_by(("A/ens33", rst))
    (finding,) = invalid(net, tmp_path)
    assert finding["facts"]["connection"] == f"[{host}]:47004 → [{server}]:80"


def test_rst_of_the_container_is_silent(tmp_path: Path) -> None:
    """The application closes: both points show it."""
    net = Network(POINTS)
    seq = fetch(net)
    from_server(net, FAR, ACK | PSH, bytes(1200))
    from_container(net, CLIENT_SEQ + 11, seq, RST)
    assert invalid(net, tmp_path) == []


def test_rst_of_the_container_alone_is_silent(tmp_path: Path) -> None:
    """Only the outer point was captured: the RST was forwarded as all else."""
    net = Network(["A/ens33"])
    fetch(net)
    from_server(net, FAR, ACK | PSH, bytes(1200))
    net.pass_by(("A/ens33", host_rst(ttl=63)))
    assert invalid(net, tmp_path) == []


def test_entry_that_is_gone_is_silent(tmp_path: Path) -> None:
    """The next segment in order reaches the host's stack: the whole connection is not translated any more."""
    net = Network(POINTS)
    seq = fetch(net)
    net.now += 400e6
    from_server(net, seq, ACK | PSH, bytes(1200), lost=True)
    net.pass_by(("A/ens33", host_rst()))
    assert invalid(net, tmp_path) == []


def test_lost_segment_without_rst_is_silent(tmp_path: Path) -> None:
    net = Network(POINTS)
    seq = fetch(net)
    from_server(net, seq, ACK | PSH, bytes(1200), lost=True)
    from_server(net, seq + 1200, ACK | PSH, bytes(1200))
    assert invalid(net, tmp_path) == []
