"""A clue to SYNs without an answer: they have come to the host of the server."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.facts.syns.callers import SECOND
from tests.analysis.findings.reported import CARD_A, CARD_B, Findings, of_capture, of_story
from tests.stories import SYN, Network, tcp
from tests.story_reports import A, B

NAME = "connection-unanswered"


def of_any(folder: Path, ways: tuple[int, ...] | None) -> Findings:
    """`ways`: the packet types (packet(7)) of a SYN at each interface: 0 to this host, 3 to others, 4 sent."""
    net = Network(["any"], cooked=set() if ways is None else {"any"})
    for number in range(4):
        asked = tcp(f"{A}:40000 > {B}:80", seq=7, flags=SYN, ident=number + 1, smac=CARD_A, dmac=CARD_B)
        for copy, way in enumerate(ways or (0,)):
            net.at(number * 1.02 * SECOND + 9 * copy, "any", asked if ways is None else asked.cooked(way))
    return of_story(net, folder, NAME)


def test_host_that_received_them_is_told(tmp_path: Path) -> None:
    """A frame of a bridge, and then a packet for its own host."""
    (finding,) = of_any(tmp_path, (3, 0))
    assert (finding["level"], finding["facts"]["host"]) == ("warning", "received")
    assert "whose host received them" in finding["says"] and "drops them on that host" in finding["fix"]


@pytest.mark.parametrize(
    ("ways", "direction"),
    [((0, 4), "sent"), ((3,), None), (None, None)],
    ids=["a router", "a frame for others", "Ethernet"],
)
def test_host_that_did_not_receive_them_is_silent(
    ways: tuple[int, ...] | None, direction: str | None, tmp_path: Path
) -> None:
    (finding,) = of_any(tmp_path, ways)
    assert (finding["level"], finding["facts"].get("host")) == ("warning", direction)
    assert (f"whose host {direction} them" in finding["says"]) is (direction is not None)
    assert "drops them on that host" not in finding["fix"]


@pytest.mark.parametrize("version", ["SLL", "SLL2"])
@pytest.mark.parametrize(
    ("name", "direction"), [("forward-drop", "received"), ("input-drop", "received"), ("no-way-back", "sent")]
)
def test_recorded_any_capture_tells_what_its_host_did(name: str, direction: str, version: str) -> None:
    """Truth: the counters of the rules, in `at_any/README.md`: a SYN and three retries."""
    (finding,) = of_capture(f"tests/analysis/findings/unanswered/at_any/{name}.{version}.pcap", NAME)
    assert (finding["facts"]["attempts"], finding["facts"]["host"]) == (4, direction)
