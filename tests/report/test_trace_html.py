"""`capnet trace` as a page and as Markdown: the hops of the text, drawn, with frames; hostile names are text."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from capnet.report.page.supplement import Supplement
from capnet.report.trace import html, markdown
from tests.report import sample
from tests.report.test_html import EVIL, Page, all_ids, internal_links

ROOT = Path(__file__).resolve().parents[2]
BRIDGE = str(ROOT / "pcaps" / "bridge.pcapng")


def trace(*words: str) -> tuple[int, str]:
    """Exit code and output of `capnet trace`."""
    words = (sys.executable, "-m", "capnet", "trace", *words)
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.stderr == ""
    return done.returncode, done.stdout


def test_trace_page_has_drawing_ladder_and_frames() -> None:
    code, text = trace(BRIDGE, "--flow", "port 8080", "--format", "html")
    page = Page(text)
    assert code == 0
    assert text.count('class="ladder"') == 1
    assert 'class="edge lit"' in text
    assert {"frame-1-195", "frame-1-212"} <= all_ids(page)
    assert internal_links(page) <= all_ids(page)
    words = " ".join(page.text)
    for each in ("DNAT · routed", "routed · un-DNAT (reply)", "capnet trace --flow 'port 8080'"):
        assert each in words


def test_trace_page_of_a_packet_shows_each_frame() -> None:
    code, text = trace("--frame", f"{BRIDGE}:205", "--format", "html")
    page = Page(text)
    assert code == 0
    assert {f"frame-1-{number}" for number in (195, 196, 205, 206, 207)} <= internal_links(page) & all_ids(page)
    assert "destination 192.168.111.128 → 172.17.0.2" in " ".join(page.text)
    after = text[text.index('id="frame-1-205"') : text.index('id="frame-1-206"')]
    assert '<span class="network key differs" title="ip.dst 172.17.0.2">ac 11</span>' in after
    assert 'differs" title="ip.ttl 63"' in after and 'differs" title="ip.src' not in after


def test_trace_suffix_of_output_decides_format(tmp_path: Path) -> None:
    for name, begin in (("t.html", "<!DOCTYPE html>"), ("t.md", "# "), ("t.txt", "bridge.pcapng · port 8080")):
        assert trace(BRIDGE, "--flow", "port 8080", "-o", str(tmp_path / name)) == (0, "")
        assert (tmp_path / name).read_text(encoding="utf-8").startswith(begin)


@pytest.mark.parametrize("format_", ["html", "markdown"])
def test_trace_without_match_exits_1_in_each_format(format_: str) -> None:
    code, text = trace(BRIDGE, "--flow", "port 8099", "--format", format_)
    assert code == 1
    assert "No flow matches" in text
    if format_ == "html":
        Page(text)


def test_trace_markdown_is_a_table_of_points() -> None:
    _, text = trace(BRIDGE, "--flow", "port 8080", "--format", "markdown")
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert {line.count("|") for line in rows} == {10}
    assert [row.split(" | ")[0] for row in rows[2:]] == [
        "| B/ens33", "| A/ens33", "| A/docker0", "| A/vethb97d211", "| A/web/eth0",
    ]  # fmt: skip
    assert "DNAT, routed, +3.2 µs" in rows[4]
    _, text = trace("--frame", f"{BRIDGE}:205", "--format", "markdown")
    assert "| A/docker0 | 205 | +99 µs | B:37218 → web:80 | 63 |" in text


def hostile() -> tuple[dict[str, Any], list[Any]]:
    """A document and conversations in which every name is hostile."""
    document = sample.hostile(EVIL).to_dict()
    return document, [([path], []) for path in document["paths"]]


def test_trace_page_of_hostile_names_is_inert() -> None:
    document, conversations = hostile()
    text = html.flows_page(document, conversations, 3, EVIL, Supplement(command=EVIL))
    page = Page(text)
    assert [tag for tag, _ in page.elements].count("script") == 1
    assert "\x1b" not in text and "\u202e" not in text
    assert "alert(1)" in " ".join(page.text)


def test_trace_markdown_of_hostile_names_is_text() -> None:
    document, conversations = hostile()
    text = markdown.flows_text(document, conversations, 3, EVIL)
    assert "<script" not in text and "\x1b" not in text
    assert all(len(re.findall(r"(?<!\\)\|", line)) in (0, 6) for line in text.splitlines())
