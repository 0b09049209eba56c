"""new-connections-dropped: a host passes no new connection from a certain time on, while older ones go on."""

from __future__ import annotations

from pathlib import Path

from tests.analysis.findings.bridges import BRIDGE, BRIDGE_MAC, CARD, WEB, WEB_MAC, host, publish
from tests.analysis.findings.reported import CARD_A, CARD_B, Findings, of_story
from tests.stories import ACK, PSH, SYN, Network, tcp
from tests.story_reports import A, B

THIRD, FOURTH = "192.168.111.130", "192.168.111.131"


def keep_alive(net: Network, seq: int, client: str = B) -> None:
    """A segment of an old connection to A:8080, which passes."""
    request = tcp(f"{client}:50000 > {A}:8080", b"tick %d" % seq, flags=ACK | PSH, seq=seq, ident=seq, smac=CARD_B,
                  dmac=CARD_A)  # fmt: skip
    inside = request.routed(ends=f"{client}:50000 > {WEB}:80", smac=BRIDGE_MAC, dmac=WEB_MAC)
    net.pass_by((CARD, request), (BRIDGE, inside), gap=1e5)


def knock(net: Network, client: str, port: int) -> None:
    """A SYN of a new connection, again and again, that ends at the card."""
    for number in range(3):
        syn = tcp(f"{client}:{port} > {A}:8080", flags=SYN, seq=port, ident=number + port & 0xFFFF, smac=CARD_B,
                  dmac=CARD_A)  # fmt: skip
        net.pass_by((CARD, syn), gap=3e5)


def dropped(net: Network, folder: Path) -> Findings:
    return of_story(net, folder, "new-connections-dropped")


def table_full(net: Network, *clients: str) -> None:
    publish(net, 1)
    keep_alive(net, 100)
    for number, client in enumerate(clients):
        knock(net, client, 51000 + number)
        keep_alive(net, 200 + 10 * number)
    net.now += 1e6
    keep_alive(net, 900)


def test_new_flows_of_all_clients_is_told(tmp_path: Path) -> None:
    net = host()
    table_full(net, B, THIRD, FOURTH)
    (finding,) = dropped(net, tmp_path)
    assert finding["level"] == "error" and finding["facts"]["flows"] == 3
    assert finding["facts"]["clients"] == [B, THIRD, FOURTH]
    assert (finding["facts"]["point"], finding["facts"]["next"]) == (CARD, BRIDGE)
    assert of_story(net, tmp_path, "stops-between") == []


def test_new_flows_that_pass_is_silent(tmp_path: Path) -> None:
    """Only some clients are dropped: a rule against them."""
    net = host()
    table_full(net, B, THIRD, FOURTH)
    for number in range(3):
        publish(net, 10 + number)
    assert dropped(net, tmp_path) == []


def test_two_clients_is_silent(tmp_path: Path) -> None:
    net = host()
    table_full(net, B, THIRD)
    assert dropped(net, tmp_path) == []


def test_clients_without_an_older_flow_is_silent(tmp_path: Path) -> None:
    """Who has an older flow opens no new one: the others may be refused for what they are."""
    net = host()
    table_full(net, THIRD, FOURTH, "192.168.111.132")
    assert dropped(net, tmp_path) == []
