"""The page in Chromium: silent console, nothing loaded, hostile names inert, all of it without a script and printed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from capnet.cli import cli
from capnet.report.formats.html import render
from capnet.report.page.frames import read_frames
from capnet.report.page.supplement import Supplement
from capnet.report.wanted import Wanted
from tests.browser.conftest import open_page, requested
from tests.report import sample
from tests.report.test_html import EVIL, hostile_topology

ROOT = Path(__file__).resolve().parents[2]
CAPTURES = ["bridge", "overlay", "overlay-service", "faults/docker-user-drop", "faults/kernel-drop"]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory, make_driver: Callable[..., Any]) -> Path:
    """A folder with the pages of captures, a trace, hostile names, and many flows. Skips first without a browser."""
    folder = tmp_path_factory.mktemp("pages")
    for name in CAPTURES:
        words = ["analyze", str(ROOT / "pcaps" / f"{name}.pcapng"), "-o", str(folder / f"{Path(name).name}.html")]
        assert CliRunner().invoke(cli, words).output == ""
    words = ["trace", str(ROOT / "pcaps" / "bridge.pcapng"), "--flow", "port 8080", "-o", str(folder / "trace.html")]
    assert CliRunner().invoke(cli, words).output == ""
    (folder / "hostile.html").write_text(hostile_page(), encoding="utf-8")
    (folder / "flows.html").write_text(page_of_flows(128_000), encoding="utf-8")
    return folder


def hostile_page() -> str:
    """Points, names, files, sentences and containers that try to break out of the page."""
    document = sample.hostile(EVIL).to_dict()
    frames = read_frames(ROOT / "pcaps" / "bridge.pcapng", range(1, 60))
    file = document["inputs"][0]["file"]
    keys = [(frame["file"], frame["frame"]) for row in document["findings"] for frame in row["evidence"]]
    beside = Supplement(
        command=EVIL,
        topology=hostile_topology(),
        frames={key: frames[key[1]] for key in keys if key[1] in frames},
        digests={file: EVIL},
        where={file: EVIL},
    )
    return render(document, beside=beside)


def page_of_flows(number: int) -> str:
    """The page of a capture with so many flows, all of which were asked for."""
    report = sample.bridge()
    flow = report.flows.top[0]
    many = [replace(flow, sport=port % 60_000, dport=port // 60_000, packets=number - port) for port in range(number)]
    document = replace(report, flows=replace(report.flows, count=number, top=many)).to_dict()
    return render(document, wanted=Wanted(top=number))


NAMES = [*(Path(name).name for name in CAPTURES), "trace", "hostile", "flows"]


@pytest.mark.by_turns
@pytest.mark.parametrize("name", NAMES)
def test_page_logs_nothing_and_loads_nothing(name: str, browser: Any, pages: Path) -> None:
    page = pages / f"{name}.html"
    open_page(browser, page)
    assert requested(browser) == {page.as_uri()}
    assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert browser.get_log("browser") == []


def test_page_hostile_names_are_inert(browser: Any, pages: Path) -> None:
    """No dialog, no element and no handler but the page's own; the names are there to be read."""
    open_page(browser, pages / "hostile.html")
    assert browser.execute_script("return document.scripts.length") == 1
    assert browser.execute_script("return document.querySelectorAll('[onload],[onerror],[onclick]').length") == 0
    assert "<script>alert(1)</script>" in browser.find_element("css selector", "body").text
    from selenium.webdriver.support.expected_conditions import alert_is_present

    assert not alert_is_present()(browser)


def test_page_policy_runs_no_other_script(browser: Any, pages: Path) -> None:
    open_page(browser, pages / "bridge.html")
    browser.execute_script(
        "const script = document.createElement('script'); script.textContent = 'window.intruder = 1';"
        "document.body.append(script); document.body.insertAdjacentHTML('beforeend', '<img src=http://192.0.2.1/x>');"
    )
    assert browser.execute_script("return window.intruder") is None
    assert "Content Security Policy" in str(browser.get_log("browser"))


def test_page_evidence_link_shows_the_frame(browser: Any, pages: Path) -> None:
    """From a finding to its frame, and from there back."""
    open_page(browser, pages / "docker-user-drop.html")
    browser.find_element("css selector", "#finding-1 .evidence a").click()
    in_view = "const box = document.querySelector(':target').getBoundingClientRect(); return box.top < innerHeight"
    assert browser.execute_script(in_view)
    frame = browser.find_element("css selector", ":target")
    assert frame.get_attribute("class") == "frame"
    frame.find_element("link text", "published-port-blocked").click()
    assert browser.find_element("css selector", ":target").get_attribute("id") == "finding-1"


def test_page_frame_leads_back_to_its_row(browser: Any, pages: Path) -> None:
    """From a row of the translations to its frame and back to that row, also where the filter had left it out."""
    open_page(browser, pages / "overlay-service.html")
    row = browser.find_element("css selector", "#nat-2")
    row.find_element("css selector", "a[href^='#frame-']").click()
    back = browser.find_element("css selector", ":target a[href='#nat-2']")
    browser.find_element("css selector", "#nat input[type=search]").send_keys("no such row")
    assert not row.is_displayed()
    back.click()
    assert row.is_displayed()
    assert browser.find_element("css selector", ":target").get_attribute("id") == "nat-2"
    assert browser.execute_script("return getComputedStyle(document.querySelector(':target')).outlineStyle") == "solid"


def test_page_drawing_links_to_its_problem(browser: Any, pages: Path) -> None:
    open_page(browser, pages / "docker-user-drop.html")
    link = browser.find_element("css selector", "figure svg a")  # of the wide one, the first
    assert link.text == "published-port-blocked"
    link.click()
    assert browser.find_element("css selector", ":target").get_attribute("id") == "finding-1"


def test_page_note_opens_when_a_link_leads_there(browser: Any, pages: Path) -> None:
    open_page(browser, pages / "bridge.html")
    note = browser.find_element("css selector", "details.notes .finding")
    assert not note.is_displayed()
    anchor = note.get_attribute("id")
    browser.execute_script(f"document.querySelector('article.frame a[href=\"#{anchor}\"]').click()")
    assert note.is_displayed()


def test_page_tables_filter_and_sort(browser: Any, pages: Path) -> None:
    open_page(browser, pages / "bridge.html")
    box = browser.find_element("css selector", "#flows input[type=search]")
    box.send_keys("udp")
    rows = "return [...document.querySelectorAll('#flows tbody tr')].filter((row) => !row.hidden)"
    assert {row.text.split()[0] for row in browser.execute_script(rows)} == {"udp"}
    assert " of " in browser.find_element("css selector", "#flows .tally").text
    box.clear()
    box.send_keys(" ")
    heading = next(each for each in browser.find_elements("css selector", "#flows th button") if each.text == "packets")
    numbers = (
        "const at = [...document.querySelectorAll('#flows th')].findIndex((each) => each.textContent === 'packets');"
        "return [...document.querySelectorAll('#flows tbody tr')].map((row) => Number(row.cells[at].textContent))"
    )
    heading.click()
    assert browser.execute_script(numbers) == sorted(browser.execute_script(numbers))
    heading.click()
    assert browser.execute_script(numbers) == sorted(browser.execute_script(numbers), reverse=True)


def test_page_copy_button_copies(browser: Any, pages: Path) -> None:
    open_page(browser, pages / "bridge.html")
    browser.execute_cdp_cmd("Browser.grantPermissions", {"permissions": ["clipboardReadWrite"]})
    button = browser.find_element("css selector", ".origin .copy-button")
    button.click()
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, 5).until(lambda _: button.text == "copied")


def test_page_drawing_zooms(browser: Any, pages: Path) -> None:
    open_page(browser, pages / "overlay.html")
    drawing = browser.find_element("css selector", "figure svg")
    before = drawing.size["width"]
    larger, smaller, original = browser.find_elements("css selector", ".zoom button")
    larger.click()
    larger.click()
    assert drawing.size["width"] > before
    for _ in range(6):
        smaller.click()
    assert drawing.size["width"] < before
    original.click()
    assert drawing.size["width"] == before


def test_page_of_128000_flows_is_usable(browser: Any, pages: Path) -> None:
    """It opens, says what it leaves out, and filters without a noticeable delay."""
    page = pages / "flows.html"
    assert page.stat().st_size < 3_000_000
    open_page(browser, page)
    assert "and 126,000 more rows: --format json --top all" in browser.find_element("css selector", "#flows").text
    took = browser.execute_script(
        "const box = document.querySelector('#flows input[type=search]'); box.value = '1999';"
        "const start = performance.now(); box.dispatchEvent(new Event('input')); document.body.offsetHeight;"
        "return performance.now() - start"
    )
    assert took < 1000


@pytest.mark.parametrize("name", ["bridge", "overlay", "docker-user-drop", "hostile", "trace"])
def test_page_fits_a_phone(name: str, make_driver: Callable[..., Any], pages: Path) -> None:
    """At 390 pixels nothing is wider than the screen, so every address is seen whole; the drawing is a tree."""
    driver = phone(make_driver)
    open_page(driver, pages / f"{name}.html")
    assert driver.execute_script("return document.documentElement.scrollWidth") <= 390
    outside = driver.execute_script(
        "return [...document.querySelectorAll('main td, main p, main code, main li, main dd, main pre, main h3')]"
        ".filter((each) => each.getClientRects().length && each.getBoundingClientRect().right > 391)"
        ".map((each) => each.outerHTML.slice(0, 200))"
    )
    assert outside == []
    if name not in ("hostile",):
        assert driver.find_element("css selector", "svg.narrow").is_displayed()
        assert not driver.find_element("css selector", "svg.network").is_displayed()


_PHONES: list[Any] = []


def phone(make_driver: Callable[..., Any]) -> Any:
    """A browser as narrow as a phone, started once."""
    if not _PHONES:
        _PHONES.append(make_driver(390))
    return _PHONES[0]


def test_page_without_scripts_has_everything(make_driver: Callable[..., Any], browser: Any, pages: Path) -> None:
    """The same words, but for the buttons; nothing is logged."""
    plain = make_driver(scripts=False)
    page = pages / "overlay-service.html"
    open_page(plain, page)
    open_page(browser, page)
    assert plain.find_elements("css selector", "button") == []
    count = "table, svg, .ladder, article.frame, details"
    assert len(plain.find_elements("css selector", count)) == len(browser.find_elements("css selector", count)) > 20
    summary = plain.find_element("css selector", "details.notes > summary")
    summary.click()
    assert plain.find_element("css selector", "details.notes .finding").is_displayed()
    assert plain.get_log("browser") == []


def test_page_printed_without_scripts_opens_what_is_folded(make_driver: Callable[..., Any], pages: Path) -> None:
    plain = make_driver(scripts=False)
    open_page(plain, pages / "bridge.html")
    plain.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    folded = plain.find_elements("css selector", "details:not([open]) > :not(summary)")
    assert len(folded) > 20
    assert all(each.size["height"] > 0 for each in folded)
    assert len(plain.find_elements("css selector", "article.frame")) > 20
    assert all(each.size["height"] > 0 for each in plain.find_elements("css selector", "article.frame"))


PAPER = 680  # CSS pixels of an A4 page between its margins


@pytest.mark.parametrize("name", ["bridge", "overlay", "overlay-service", "trace"])
def test_page_printed_fits_paper(name: str, browser: Any, pages: Path) -> None:
    """With a dark screen: dark ink on white, the tables' headings, nothing beyond the paper, no MAC on two lines."""
    metrics = {"width": PAPER, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    dark = [{"name": "prefers-color-scheme", "value": "dark"}]
    try:
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", "features": dark})
        open_page(browser, pages / f"{name}.html")
        assert browser.execute_script("return getComputedStyle(document.body).color") == "rgb(27, 35, 48)"
        headings = browser.find_elements("css selector", "th")
        assert [each.get_attribute("textContent") for each in headings if each.get_attribute("textContent")] == [
            each.text.removesuffix(" ▲").removesuffix(" ▼") for each in headings if each.get_attribute("textContent")
        ]
        assert browser.execute_script("return document.documentElement.scrollWidth") <= PAPER
        broken = browser.execute_script(
            "return [...document.querySelectorAll('td code')]"
            ".filter((each) => /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(each.textContent))"
            ".filter((each) => each.getClientRects().length > 1).map((each) => each.textContent)"
        )
        assert broken == []
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {**metrics, "width": 1280})
