"""Many clients that send the same octets with the IP identification 0: ports are all that tells their packets apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stories import Network, udp
from tests.story_reports import A, B, read, translations

POINTS = ["A/docker0", "A/ens33"]
STEP_US, DELAY_US = 20.0, 30.0  # from client to client, from point to point: the next client asks in between


def bursts(folder: Path, clients: int, rounds: int = 3) -> set[tuple[object, ...]]:
    """Rows of NAT where clients with ports of their own ask at once, again and again, and nobody answers."""
    net = Network(POINTS)
    for _ in range(rounds):
        for number in range(clients):
            ask = udp(f"172.17.1.{number + 2}:{30_000 + number} > {B}:7000", b"heartbeat", ident=0)
            time = net.now + number * STEP_US
            net.at(time, "A/docker0", ask)
            net.at(time + DELAY_US, "A/ens33", ask.routed(src=A))
        net.now += 1e6
    return translations(read(net, folder))


@pytest.mark.parametrize("clients", [2, 5, 100])
def test_equal_datagrams_give_no_false_translation(tmp_path: Path, clients: int) -> None:
    """The packet just before one behind the host is another client's."""
    kept = {
        ("snat", "udp", (f"172.17.1.{n + 2}", 30_000 + n, B, 7000), (A, 30_000 + n, B, 7000)) for n in range(clients)
    }
    assert bursts(tmp_path, clients) <= kept


def test_crowd_of_equal_datagrams_is_told_by_ports(tmp_path: Path) -> None:
    """100 clients: too many to look back at all of them."""
    assert len(bursts(tmp_path, 100)) == 100
