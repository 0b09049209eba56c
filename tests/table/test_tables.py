"""`capnet.tables`: the tables of `capnet export`, for programs."""

from __future__ import annotations

import pytest

import capnet
from capnet.analysis.tables.names import TABLES
from capnet.errors import UnreadableInput, UsageError
from tests.conftest import PROJECT

BRIDGE, OVERLAY = (PROJECT / "pcaps" / f"{name}.pcapng" for name in ("bridge", "overlay"))


@pytest.fixture(scope="module")
def report() -> capnet.Report:
    return capnet.analyze(BRIDGE)


def test_tables_have_all_rows(report: capnet.Report) -> None:
    tables = capnet.tables(BRIDGE)
    assert list(tables) == list(TABLES) and "flows" in tables and len(tables) == len(TABLES)
    assert len(list(tables["flows"])) == report.flows.count
    assert len(list(tables["frames"])) == report.coverage.frames  # none in a tunnel
    for name in ("nat", "findings", "stations", "points"):
        assert list(tables[name]) == list(getattr(report, name).table)


def test_flow_expression_chooses_rows() -> None:
    chosen = capnet.tables([str(BRIDGE)], flow="port 8080")["flows"]
    ports = [(row["sport"], row["dport"]) for row in chosen]
    assert 0 < len(ports) < len(list(capnet.tables(BRIDGE)["flows"]))
    assert all({8080, 80} & set(pair) for pair in ports)


def test_addresses_are_octets_on_request() -> None:
    row = next(iter(capnet.tables(BRIDGE, binary=True)["flows"]))
    assert len(row["src"]) == 16


def test_mistakes_are_told() -> None:
    with pytest.raises(KeyError, match="no table 'flow': the tables are frames, flows, "):
        capnet.tables(BRIDGE)["flow"]
    with pytest.raises(UsageError):
        capnet.tables(BRIDGE, flow="port and")["flows"]
    with pytest.raises(UnreadableInput, match="No such file"):
        list(capnet.tables("no.pcap")["frames"])


def test_tables_show_what_they_are() -> None:
    assert repr(capnet.tables(["a.pcap"] * 5)).startswith(
        "<capnet tables of a.pcap, a.pcap, a.pcap, … 5 in all: frames"
    )


def test_long_list_of_facts_shows_the_first(report: capnet.Report) -> None:
    assert len(report.conversations) > 20
    shown = repr(report.conversations)
    assert shown.startswith("[Conversation(") and shown.endswith(
        f", … {len(report.conversations)} conversations in all]"
    )
    assert shown.count("Conversation(") == 20


def test_frames_are_read_once_and_never_in_part() -> None:
    """A second reading had no rows, and one after a notebook had shown the table lacked those of the first batch."""
    with capnet.open_capture(OVERLAY) as capture:
        frames = capture.frames()
        assert "time" in frames._repr_html_() and "read once" in frames._repr_html_()
        assert len(frames["src"]) == 449
        for again in (frames, capture.frames()):
            with pytest.raises(UsageError, match="open it again"):
                list(again)
    tables = capnet.tables(OVERLAY)
    assert len(tables["frames"]["src"]) == len(tables["frames"]["dst"]) == 449


@pytest.mark.parametrize("read", ["frames", "blocks", "records"])
def test_closed_capture_is_not_taken_for_an_empty_one(read: str) -> None:
    with capnet.open_capture(OVERLAY) as capture:
        rows = getattr(capture, read)()
    with pytest.raises(UsageError, match="closed"):
        list(rows)
