"""`capnet compare` as a page: what broke first, both networks drawn, hostile names as text."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from capnet.report.comparison.differences import compare
from capnet.report.comparison.html import ComparedSide, render
from capnet.report.page.supplement import Supplement
from tests.report import sample
from tests.report.test_html import EVIL, Page, all_ids, hostile_topology

ROOT = Path(__file__).resolve().parents[2]
FAULT = ROOT / "pcaps" / "faults" / "docker-user-drop.pcapng"


def test_compare_page_shows_what_broke_in_both_drawings(tmp_path: Path) -> None:
    """The way to web is whole in the first, and dashed behind A/ens33 in the second. Exit code 1, as of the text."""
    healthy = FAULT.with_name("docker-user-drop.healthy.pcapng")
    target = tmp_path / "broke.html"
    words = [sys.executable, "-m", "capnet", "compare", str(healthy), str(FAULT), "-o", str(target)]
    assert subprocess.run(words, check=False, timeout=60).returncode == 1
    text = target.read_text(encoding="utf-8")
    page = Page(text)
    assert {"network-good", "network-bad"} <= all_ids(page)
    first, second = text.split('id="network-bad"')
    assert 'class="edge lit"' in first and 'class="edge dead"' not in first
    assert 'class="edge dead"' in second and 'class="edge lit"' not in second
    words_of_page = " ".join(page.text)
    assert words_of_page.index("published-port-blocked") < words_of_page.index("Flows that fail now")
    assert "− DNAT tcp: B → A:8080 becomes B → web:80" in words_of_page
    linked = {attributes.get("href") for tag, attributes in page.elements if tag == "a"}
    assert {"#frame-1-1", "#finding-1"} <= linked, "the finding leads to its frame, and the frame back"
    assert {"frame-1-1", "finding-1"} <= all_ids(page)
    assert second.count('<a href="#finding-1">published-port-blocked') == 2, "of the wide drawing and of the narrow one"
    assert "<li><b>A</b> 192.168.111.128</li>" in text and "<li><b>web</b> 172.17.0.2</li>" in text
    assert "capnet packet" in words_of_page and "Frame 1 of" in words_of_page


def test_compare_page_of_hostile_names_is_inert() -> None:
    good, bad = sample.bridge().to_dict(), sample.hostile(EVIL).to_dict()
    beside = Supplement(command=EVIL, topology=hostile_topology())
    text = render(compare(good, bad), ComparedSide(good, beside), ComparedSide(bad, beside))
    page = Page(text)
    assert [tag for tag, _ in page.elements].count("script") == 1
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert "\x1b" not in text and "\u202e" not in text
