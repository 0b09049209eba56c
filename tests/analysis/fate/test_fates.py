"""What counts as unanswered: flows that stop, or to which nothing came back."""

from __future__ import annotations

from pathlib import Path

from tests.analysis.findings.wires import gossip, send, two_cards
from tests.stories import Network, udp
from tests.story_reports import A, B, read


def unanswered(net: Network, folder: Path) -> int:
    count = read(net, folder)["correlation"]["unanswered"]
    assert isinstance(count, int)
    return count


def test_gossip_in_both_directions_is_not_unanswered(tmp_path: Path) -> None:
    """Equal ports prove no answer, but something comes back."""
    net = two_cards()
    for number in range(6):
        gossip(net, number)
    assert unanswered(net, tmp_path) == 0


def test_gossip_in_both_directions_counts_as_answered(tmp_path: Path) -> None:
    """It said '0 of 2 flows answered' of a heartbeat between equal ports that both ends send."""
    net = two_cards()
    for number in range(6):
        gossip(net, number)
    correlation = read(net, tmp_path)["correlation"]
    assert correlation["answered"] == sum(correlation["fates"].values())


def test_gossip_that_stops_is_unanswered(tmp_path: Path) -> None:
    """What comes back is gossip of the other node's own."""
    net = two_cards()
    for number in range(6):
        gossip(net, number, lambda packet: packet.proto == "udp" and packet.dst == B)
    assert unanswered(net, tmp_path) == 1


def test_datagrams_with_nothing_back_are_unanswered(tmp_path: Path) -> None:
    net = two_cards()
    net.points = ["A/ens33"]
    net.recorded = [record for record in net.recorded if record[1] == "A/ens33"]
    for number in range(3):
        send(net, udp(f"{A}:5000 > {B}:53", b"question %d" % number, ident=number))
    assert unanswered(net, tmp_path) == 1
