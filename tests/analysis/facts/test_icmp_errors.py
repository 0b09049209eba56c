"""ICMP errors of a report: who says what to whom, about which packet. Truth: each story sends them."""

from __future__ import annotations

from pathlib import Path

from capnet.wire.icmp_names import icmp_error_name
from tests.stories import SYN, Network, Packet, about, ping, tcp
from tests.story_reports import A, B, read

SYN_TO_A = tcp(f"{B}:40000 > {A}:80", flags=SYN, seq=100, ident=1)


def test_icmp_error_is_a_row_for_each_point(tmp_path: Path) -> None:
    net = Network(["A/ens33", "B/ens33"])
    net.pass_by(("B/ens33", SYN_TO_A), ("A/ens33", SYN_TO_A))
    error = about(ping(f"{A} > {B}", 0, 0, icmp=(3, 10)), SYN_TO_A)
    for _ in range(2):
        net.pass_by(("A/ens33", error), ("B/ens33", error))
    rows = read(net, tmp_path)["icmp_errors"]
    assert [(row["point"], row["count"]) for row in rows] == [("A/ens33", 2), ("B/ens33", 2)]
    row = rows[0]
    assert (row["proto"], row["from"], row["to"], row["type"], row["code"]) == ("icmp", A, B, 3, 10)
    assert (row["name"], row["mtu"]) == ("host administratively prohibited", None)
    assert row["quoted"] == {"proto": "tcp", "src": B, "sport": 40000, "dst": A, "dport": 80}
    assert [frame["frame"] for frame in row["evidence"]] == [3]
    assert row["first"] < row["last"]


def test_icmp_error_names_the_next_hop_mtu(tmp_path: Path) -> None:
    net = Network(["A/ens33"])
    error = about(ping(f"{A} > {B}", 0, 0, icmp=(3, 4)), SYN_TO_A).but(seq=1378)  # RFC 1191: the last two octets
    net.pass_by(("A/ens33", error))
    (row,) = read(net, tmp_path)["icmp_errors"]
    assert (row["name"], row["mtu"]) == ("fragmentation needed", 1378)


def test_icmp_error_of_ipv6_is_called_as_rfc_4443_does(tmp_path: Path) -> None:
    net = Network(["A/ens33"])
    cause = tcp("[2001:db8::2]:40000 > [2001:db8::1]:80", flags=SYN, seq=1)
    net.pass_by(("A/ens33", Packet("icmp", "2001:db8::9", "2001:db8::2", icmp=(1, 3), payload=cause.ip())))
    (row,) = read(net, tmp_path)["icmp_errors"]
    assert (row["proto"], row["from"], row["name"]) == ("icmpv6", "2001:db8::9", "address unreachable")
    assert (row["quoted"]["dst"], row["quoted"]["dport"]) == ("2001:db8::1", 80)


def test_icmp_error_with_cut_quotation_quotes_nothing(tmp_path: Path) -> None:
    net = Network(["A/ens33"], snaplens={"A/ens33": 14 + 20 + 8 + 19})
    net.pass_by(("A/ens33", about(ping(f"{A} > {B}", 0, 0, icmp=(3, 1)), SYN_TO_A)))
    (row,) = read(net, tmp_path)["icmp_errors"]
    assert row["quoted"] is None


def test_echo_is_no_icmp_error(tmp_path: Path) -> None:
    net = Network(["A/ens33"])
    net.pass_by(("A/ens33", ping(f"{B} > {A}", 7, 1)))
    assert read(net, tmp_path)["icmp_errors"] == []


def test_icmp_error_without_a_name_has_its_numbers() -> None:
    assert icmp_error_name(False, 3, 42) == "destination unreachable, code 42"
    assert icmp_error_name(False, 4, 0) == "source quench"
    assert icmp_error_name(True, 77, 0) == "type 77"
