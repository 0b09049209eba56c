"""Fates, ends of paths and answers in words, and how trace and the tables show them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from capnet.analysis.core.contract.keys import FATES
from capnet.analysis.core.results import Answer, FlowKey, Path
from capnet.report import fate_words
from capnet.report.drawing.text_path import render_flows
from capnet.report.formats import html, markdown, table
from capnet.report.words import Words
from tests.report import sample
from tests.report.sample import BBOX, GATEWAY, WEB, A, B, at, fate, hop

WORDS = Words({})
OUT = (BBOX, 5555, B, 7000)


def row(name: str, **more: Any) -> dict[str, Any]:
    """A row of `fates` as JSON has it."""
    report = sample.changed(sample.empty(), {"fates": [fate(name, FlowKey(*OUT), "A/ens33", **more)]})
    (only,) = report.to_dict()["fates"]
    return only


def answer(kind: str, sender: str | None = B, says: str | None = None) -> Answer:
    return Answer(kind, "A/ens33", sender, says, at("A/ens33", 9) if sender else [])


@pytest.mark.parametrize(
    ("name", "more", "text"),
    [
        ("looped", {}, "goes in a circle at A/ens33"),
        ("stops-at", {"next": "A/docker0"}, "stops at A/ens33, due at A/docker0"),
        ("answer-stops-at", {"next": "A/docker0"}, "the answer stops at A/ens33, due at A/docker0"),
        ("answered-by", {"answers": [answer("reset")]}, f"{B} refuses (RST)"),
        ("answered-by", {"answers": [answer("icmp-error", GATEWAY, "host unreachable")]},
         f"{GATEWAY} answers 'host unreachable' (ICMP)"),
        ("answered-by", {"answers": [answer("other-address", GATEWAY)]}, f"the answer comes from {GATEWAY}"),
        ("answered-by", {"answers": [answer("none", None)]}, "reaches A/ens33, nothing answers"),
        ("loses", {"next": "B/ens33", "packets": 8, "missing": 2}, "2 of 8 packets lost between A/ens33 and B/ens33"),
        ("loses", {"next": "A/ens33", "packets": 8, "missing": 2}, "2 of 8 packets lost at A/ens33"),
        ("repeated", {"repeats": 3}, "no answer, sent again 3 times; last seen at A/ens33"),
        ("unknown", {"unknown": "one-point"}, "end not seen"),
        ("copied", {}, "end not seen"),
        ("delivered", {"answers": [answer("reply")]}, "delivered"),
    ],
)  # fmt: skip
def test_fate_in_words(name: str, more: dict[str, Any], text: str) -> None:
    assert fate_words.fate(row(name, **more), WORDS) == text


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (answer("session-reset"), [f"{B} resets the session (RST)"]),
        (
            answer("session-reset", says="TTL 64"),
            [f"the session is reset in the name of {B} (RST with TTL 64, its packets have another)"],
        ),
        (answer("reply", says="1.7 s"), [f"{B} answers after 1.7 s"]),
        (answer("reply"), []),
    ],
)
def test_answers_of_a_session_in_words(given: Answer, text: list[str]) -> None:
    """Beside a path that is delivered."""
    assert fate_words.answers(row("delivered", answers=[given])["answers"], WORDS) == text


def test_failed_fates_are_fates() -> None:
    assert set(fate_words.FAILED) < set(FATES)


@pytest.mark.parametrize(
    ("ends", "due", "text"),
    [
        ("delivered", None, "delivered"),
        ("stops-at A/ens33", "A/docker0", "stops at A/ens33, due at A/docker0"),
        ("lost-after A/ens33", None, "lost after A/ens33"),
        ("answer-stops-at A/ens33", "A/docker0", "delivered, the answer stops at A/ens33, due at A/docker0"),
        ("looped", None, "goes in a circle"),
        ("unknown", None, "end not seen"),
    ],
)
def test_end_of_a_path_in_words(ends: str, due: str | None, text: str) -> None:
    assert fate_words.ending({"ends": ends, "due": due, "hops": []}) == text
    assert fate_words.is_lost(ends) == (ends not in ("delivered", "unknown"))


def traced(path: Path) -> list[str]:
    """Lines of `capnet trace` about a path and nothing back."""
    report = sample.changed(sample.empty(), {"paths": [path]}).to_dict()
    return render_flows(report, [(report["paths"], [])], 1, "").splitlines()


def test_trace_draws_where_a_flow_stops_and_who_answers() -> None:
    hops = [hop("A/docker0", OUT), hop("A/ens33", OUT, "routed", delta=5)]
    answers = [answer("icmp-error", GATEWAY, "host unreachable")]
    stops = Path("tcp", FlowKey(*OUT), hops, "stops-at A/ens33", at("A/docker0", 1), answers, "B/ens33")
    lines = traced(stops)
    assert "  ✗ stops here: due at B/ens33, not seen there" in lines
    assert f"  ← {GATEWAY} answers 'host unreachable' (ICMP)" in lines


def test_trace_of_one_point_draws_a_stop_only() -> None:
    stops = Path("tcp", FlowKey(*OUT), [hop("A/ens33", OUT)], "stops-at A/ens33", at("A/ens33", 1), [], "A/docker0")
    assert "  ✗ stops here: due at A/docker0, not seen there" in traced(stops)
    unknown = replace(stops, ends="unknown", due=None)
    assert not [line for line in traced(unknown) if line.startswith("  ?")]


def test_tables_show_what_fails_and_not_what_passes() -> None:
    report = sample.bridge()
    for render in (table.render, markdown.render, html.render):
        text = render(report.to_dict())
        assert "Flows that fail" in text
        assert "stops at A/ens33, due at" in text
    delivered = sample.changed(report, {"fates": report.fates[2:]})
    assert "Flows that fail" not in table.render(delivered.to_dict())


def test_flows_of_one_fate_to_one_port_are_one_row() -> None:
    fates = [
        fate("loses", FlowKey(client, 5000 + number, A, 80), "A/ens33", next="A/docker0", packets=5, missing=2)
        for number, client in enumerate((WEB, BBOX, BBOX))
    ]
    text = table.render(sample.changed(sample.empty(), {"fates": fates}).to_dict(), width=160)
    row = next(line for line in text.splitlines() if f"{A}:80" in line)
    assert f"tcp {WEB} and {BBOX} → {A}:80" in row
    assert "6 of 15 packets lost between A/ens33 and A/docker0" in row


def test_ending_of_a_path_that_loses_packets_counts_them() -> None:
    lossy = sample.changed(sample.bridge(), {}).to_dict()["paths"][0]
    lossy = {**lossy, "ends": "delivered", "hops": [*lossy["hops"][:-1], {**lossy["hops"][-1], "lost": 2}]}
    assert fate_words.ending(lossy) == "2 lost, the rest delivered"
    assert fate_words.ending(lossy, lossy) == "4 lost, the rest delivered"
