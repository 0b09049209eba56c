"""JSON as text: the whole document, a fact a line, and no character beyond ASCII."""

from __future__ import annotations

import json

import pytest

from capnet.report.formats.json import escape, render
from tests.report import sample

REPORTS = [sample.empty, sample.bridge, sample.overlay, sample.hostile]


@pytest.mark.parametrize("make", REPORTS)
def test_json_holds_the_whole_a_fact_a_line(make):
    whole = make().to_dict()
    text = render(whole)
    assert json.loads(text) == whole
    lines = [line.strip().rstrip(",") for line in text.splitlines()]
    assert all(json.dumps(row).replace("\x7f", "\\u007f") in lines for row in whole["stations"] + whole["paths"])


@pytest.mark.parametrize("make", REPORTS)
def test_json_is_printable_ascii(make):
    text = render(make().to_dict())
    assert text.isascii()
    assert all(line.isprintable() for line in text.split("\n"))


@pytest.mark.parametrize("text", ["plain", 'say "no"', "back\\slash", "\x1b[2J", "\x7f", "以太网", "\udcff"])
def test_json_escape_is_what_json_reads_back(text):
    assert json.loads(f'"{escape(text)}"') == text
