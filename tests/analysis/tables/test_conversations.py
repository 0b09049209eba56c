"""The tables of conversations and protocols: stories of connections that end in every way, at one point."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from capnet.analysis.core.sources import Source
from capnet.analysis.facts.volume.applications import NAMES, by_first_bytes
from capnet.analysis.tables.library import Tables
from tests.conftest import PROJECT
from tests.stories import ACK, FIN, PSH, RST, SYN, Network, Packet, ping, tcp, udp

CLIENT, SERVER = "10.0.0.1", "10.0.0.2"
POINT = "A/eth0"


def rows(net: Network, folder: Path, name: str = "conversations") -> list[dict[str, Any]]:
    return list(Tables([Source(path) for path in net.write(folder)]).table(name))


def connection(*packets: Packet, port: int = 80) -> list[Packet]:
    """Packets of a connection: SYN, SYN-ACK, then these."""
    there, back = f"{CLIENT}:40000 > {SERVER}:{port}", f"{SERVER}:{port} > {CLIENT}:40000"
    opening = [tcp(there, seq=99, flags=SYN), tcp(back, seq=199, ack=100, flags=SYN | ACK)]
    return [*opening, *(packet.but(ends=there if packet.src == CLIENT else back) for packet in packets)]


def sent(payload: bytes = b"", **more: Any) -> Packet:
    return tcp(f"{CLIENT}:1 > {SERVER}:1", payload, **{"seq": 100, "ack": 200, **more})


def answered(payload: bytes = b"", **more: Any) -> Packet:
    return tcp(f"{SERVER}:1 > {CLIENT}:1", payload, **{"seq": 200, "ack": 100, **more})


def story(packets: list[Packet], step_us: float = 1000.0) -> Network:
    net = Network([POINT])
    for number, packet in enumerate(packets):
        net.at(step_us * number, POINT, packet.but(ident=number + 1))
    return net


STATES = {
    "open": connection(sent(b"GET / HTTP/1.1\r\n")),
    "closing": connection(sent(flags=FIN | ACK)),
    "closed": connection(sent(flags=FIN | ACK), answered(ack=101, flags=FIN | ACK)),
    "reset": connection(sent(flags=RST)),
    "refused": [
        tcp(f"{CLIENT}:40000 > {SERVER}:80", seq=99, flags=SYN),
        tcp(f"{SERVER}:80 > {CLIENT}:40000", seq=0, ack=100, flags=RST | ACK),
    ],
    "unanswered": [tcp(f"{CLIENT}:40000 > {SERVER}:80", seq=99, flags=SYN)],
    "one-way": [
        tcp(f"{CLIENT}:40000 > {SERVER}:80", seq=99, flags=SYN),
        tcp(f"{CLIENT}:40000 > {SERVER}:80", b"x", seq=100, ack=200),
    ],
    "midstream": [
        tcp(f"{CLIENT}:40000 > {SERVER}:80", b"x", seq=99, flags=PSH | ACK),
        tcp(f"{SERVER}:80 > {CLIENT}:40000", seq=0, ack=100),
    ],
}


@pytest.mark.parametrize("state", STATES)
def test_state_of_a_connection_is_told(state: str, tmp_path: Path) -> None:
    (row,) = rows(story(STATES[state]), tmp_path)
    assert row["state"] == state
    assert (row["src"], row["dst"], row["dport"]) == (CLIENT, SERVER, 80)
    assert row["packets"] == row["forward_packets"] + row["backward_packets"] == len(STATES[state])


def test_datagrams_are_answered_or_not(tmp_path: Path) -> None:
    net = Network([POINT])
    net.at(0, POINT, ping(f"{CLIENT} > {SERVER}", 7, 1, ident=1))
    net.at(10, POINT, ping(f"{SERVER} > {CLIENT}", 7, 1, ident=2, icmp=(0, 0)))
    net.at(20, POINT, udp(f"{CLIENT}:5000 > {SERVER}:5001", b"one", ident=3))
    states = {row["proto"]: (row["state"], row["icmp_id"], row["reply"] is not None) for row in rows(net, tmp_path)}
    assert states == {"icmp": ("answered", 7, True), "udp": ("one-way", None, False)}


def test_sums_are_of_both_directions(tmp_path: Path) -> None:
    """Seconds, octets and rate by construction: four frames, 1 ms apart."""
    packets = connection(sent(b"x" * 100), answered(b"y" * 50))
    (row,) = rows(story(packets), tmp_path)
    sizes = [len(packet.frame()) for packet in packets]
    assert (row["forward_bytes"], row["backward_bytes"]) == (sizes[0] + sizes[2], sizes[1] + sizes[3])
    assert row["bytes"] == sum(sizes) and row["payload"] == 150
    assert row["duration"] == pytest.approx(0.003)
    assert row["rate"] == pytest.approx(8 * sum(sizes) / 0.003)
    assert row["rtt_us"] == pytest.approx(1000)


def test_retransmissions_of_both_directions_are_counted(tmp_path: Path) -> None:
    again = [sent(b"x" * 100), sent(b"x" * 100), answered(b"y" * 50), answered(b"y" * 50)]
    (row,) = rows(story(connection(*again), 300_000.0), tmp_path)
    assert row["retransmissions"] == 2


def test_first_syn_tells_who_opened_it(tmp_path: Path) -> None:
    """The answer lies before the SYN in the file, as with two taps: the direction is that of the SYN."""
    opening, answer, *others = connection(sent(b"hello"))
    (row,) = rows(story([answer, opening, *others]), tmp_path)
    assert row["src"] == CLIENT


def test_syn_ack_alone_tells_who_opened_it(tmp_path: Path) -> None:
    """The capture begins behind the SYN: who accepts did not open, though its packet is the first."""
    (row,) = rows(story(connection(sent(b"hello"))[1:]), tmp_path)
    assert (row["src"], row["state"]) == (CLIENT, "midstream")


def test_reset_of_an_open_connection_is_no_refusal(tmp_path: Path) -> None:
    """The SYN-ACK is missing, but the client sent data: the connection was open."""
    opening, _, *others = connection(sent(b"hello"), answered(flags=RST | ACK))
    (row,) = rows(story([opening, *others]), tmp_path)
    assert row["state"] == "reset"


@pytest.mark.parametrize(
    ("ends", "application"),
    [
        (("10.0.0.2:80", "10.0.0.1:50051"), "http"),  # an answer is the first packet: no gRPC
        (("10.0.0.1:50051", "10.0.0.2:9999"), None),  # the port of a client
        (("10.0.0.1:40000", "10.0.0.2:50051"), None),  # either may be the server
    ],
)
def test_port_of_a_client_is_no_application(ends: tuple[str, str], application: str | None, tmp_path: Path) -> None:
    """The handshake was not captured."""
    packet = tcp(f"{ends[0]} > {ends[1]}", b"x", seq=100, ack=200)
    back = tcp(f"{ends[1]} > {ends[0]}", seq=200, ack=101)
    (row,) = rows(story([packet, back]), tmp_path)
    assert row["application"] == application


def test_handshake_names_a_server_with_a_high_port(tmp_path: Path) -> None:
    (row,) = rows(story(connection(port=50051)), tmp_path)
    assert (row["application"], row["application_by"]) == ("grpc", "port")


@pytest.mark.parametrize(
    ("port", "first", "application", "by"),
    [
        (80, b"", "http", "port"),
        (9999, b"GET /index.html", "http", "bytes"),
        (9999, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", "tls", "bytes"),
        (80, b"SSH-2.0-OpenSSH_9", "ssh", "bytes"),
        (9999, b"PRI * HTTP/2.0\r\n", "http2", "bytes"),
        (9999, b"*2\r\n$3\r\nGET\r\n", "redis", "bytes"),
        (9999, b"\x00\x00\x00\x08\x04\xd2\x16\x2f", "postgresql", "bytes"),
        (9999, b"\x4a\x00\x00\x00\x0a8.0.33\x00", "mysql", "bytes"),
        (9999, b"\x4a\x12\x00\x00\x0a\xff\x00\x01", None, None),  # two octets of MySQL's greeting are in many streams
        (9999, b"no protocol at all", None, None),
    ],
)
def test_application_is_by_first_bytes_then_port(
    port: int, first: bytes, application: str | None, by: str | None, tmp_path: Path
) -> None:
    packets = connection(*([sent(first)] if first else []), port=port)
    (row,) = rows(story(packets), tmp_path)
    assert (row["application"], row["application_by"]) == (application, by)


def test_banner_of_a_server_is_first_bytes_too(tmp_path: Path) -> None:
    (row,) = rows(story(connection(answered(b"SSH-2.0-dropbear"), port=2222)), tmp_path)
    assert (row["application"], row["application_by"]) == ("ssh", "bytes")


def test_datagram_that_reads_like_a_stream_is_none() -> None:
    """Streams begin with these octets; a datagram may hold any."""
    import numpy as np

    octets = np.array([int.from_bytes(b"GET /abc", "big")])
    assert NAMES[by_first_bytes(octets, np.array([False]))[0]] == "http"
    assert by_first_bytes(octets, np.array([True]))[0] == -1


def test_protocols_add_up_to_their_layers() -> None:
    """Of the overlay: a layer has at least what the layers on it have, and flows are those of the table `flows`."""
    tables = Tables([Source(PROJECT / "pcaps" / "overlay.pcapng")])
    layers = {row["protocol"]: row for row in tables.table("protocols")}
    for name, row in layers.items():
        inside = [other for other in layers if other.rpartition("/")[0] == name]
        for key in ("flows", "packets", "bytes"):
            assert sum(layers[other][key] for other in inside) <= row[key], (name, key)
    flows = list(tables.table("flows"))
    top = [row for name, row in layers.items() if name in ("ip", "ipv6", "vxlan/ip", "vxlan/ipv6")]
    assert sum(row["flows"] for row in top) == len(flows)
    assert sum(row["bytes"] for row in top) == sum(flow["bytes"] for flow in flows)
    assert {"ip/udp/vxlan", "vxlan/ip/tcp/http", "ip/icmp"} <= set(layers)


def test_protocols_of_chosen_flows_are_theirs_alone() -> None:
    tables = Tables([Source(PROJECT / "pcaps" / "overlay.pcapng")], expression="icmp")
    assert {row["protocol"] for row in tables.table("protocols")} == {"ip", "ip/icmp", "vxlan/ip", "vxlan/ip/icmp"}


def test_applications_fit_the_keys_of_protocols() -> None:
    from capnet.analysis.facts.volume import protocols

    assert len(NAMES) < protocols.APPLICATIONS
