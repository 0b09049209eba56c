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

    assert len(NAMES) < protocols._APPLICATIONS
