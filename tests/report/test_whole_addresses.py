"""An address is never shortened, in no format and at no width; a long text goes on on another line."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from capnet.report.drawing.text_path import render_flows
from capnet.report.formats import FORMATS, load
from capnet.report.text import columns
from tests.conftest import GOLDENS
from tests.report import sample
from tests.report.golden_documents import document

is_cut = re.compile(r"[^\s>]…|…[^\s<]").search  # `… and 4 more` stands alone
SOURCE, TARGET = "2001:db8:1234:5678:9abc:def0:1234:5678", "2001:db8:1234:5678:9abc:def0:1234:abcd"


def over_ipv6() -> dict[str, Any]:
    """A report in which everything has long addresses and no names."""
    text = replace(sample.bridge(), names={}, names_at={}).to_json()
    for address, other in ((sample.A, SOURCE), (sample.B, TARGET), (sample.WEB, SOURCE), (sample.BBOX, TARGET)):
        text = text.replace(address, other)
    shown: dict[str, Any] = json.loads(text)
    return shown


@pytest.mark.parametrize("width", [60, 80, 100, 160])
@pytest.mark.parametrize("path", GOLDENS, ids=lambda path: path.stem)
def test_golden_report_is_cut_nowhere(path, width):
    lines = load("table").render(document(path), width).splitlines()
    assert [line for line in lines if is_cut(line)] == []
    assert [line for line in lines if columns(line) > width] == []


@pytest.mark.parametrize("name", list(FORMATS)[2:])
@pytest.mark.parametrize("path", GOLDENS, ids=lambda path: path.stem)
def test_golden_page_is_cut_nowhere(path, name):
    assert not is_cut(load(name).render(document(path)))


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_long_addresses_of_a_table_stay_whole(width):
    text = load("table").render(over_ipv6(), width)
    assert SOURCE in text and TARGET in text
    assert "2001:" not in text.replace(SOURCE, "").replace(TARGET, "")
    assert all(columns(line) <= width for line in text.splitlines())


@pytest.mark.parametrize("name", ["html", "markdown"])
def test_long_addresses_of_a_page_stay_whole(name):
    text = load(name).render(over_ipv6())
    assert text.count(SOURCE) > 3 and text.count(TARGET) > 3
    assert "2001:" not in text.replace(SOURCE, "").replace(TARGET, "")


@pytest.mark.parametrize("width", [60, 80, 100])
def test_long_addresses_of_a_ladder_stay_whole(width):
    shown = over_ipv6()
    text = render_flows(shown, [([path], []) for path in shown["paths"]], len(shown["paths"]), "", width)
    assert "2001:" not in text.replace(SOURCE, "").replace(TARGET, "")
    assert not is_cut(text)
    assert all(columns(line) <= width for line in text.splitlines())
