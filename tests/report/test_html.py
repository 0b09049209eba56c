"""The page: well-formed, self-contained, deterministic, and deaf to what hostile strings say."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from base64 import b64decode
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from capnet.analysis.engine import analyze
from capnet.report.formats.html import render

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = sorted((ROOT / "pcaps").glob("*.pcapng"))
BRIDGE = ROOT / "pcaps" / "bridge.pcapng"
VOID = {"meta", "br", "link", "img", "input", "hr"}
EVIL = "\"'><script>alert(1)</script><svg onload=alert(2)>&amp;\x1b[2J\u202e</style></svg>"


class Page(HTMLParser):
    """All elements with their attributes; complains about what is not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def hostile(value):
    """A document with every string in it that is no number, time or word of ours replaced by something evil."""
    if isinstance(value, dict):
        return {key: EVIL if key in ("point", "file", "name", "says", "because", "network") and isinstance(each, str)
                else hostile(each) for key, each in value.items()}  # fmt: skip
    if isinstance(value, list):
        return [EVIL + each if isinstance(each, str) and " " in each else hostile(each) for each in value]
    return value


@pytest.fixture(scope="module", params=GOLDEN, ids=lambda path: path.stem)
def golden(request) -> dict:
    return analyze([request.param]).to_dict()


def test_html_is_well_formed_and_complete(golden):
    page = Page(render(golden))
    text = " ".join(page.text)
    ids = {attributes.get("id") for tag, attributes in page.elements if tag == "section"}
    assert {
        key for key in ("nat", "proxies", "tunnels", "macs", "models", "findings", "stations") if golden[key]
    } <= ids
    assert {"points", "flows"} <= ids
    for point in golden["points"]:
        assert point["name"] in text
    for finding in golden["findings"]:
        assert finding["says"] in text
    links = {attributes["href"] for tag, attributes in page.elements if tag == "a"}
    assert links == {f"#{each}" for each in ids}


def test_html_pictures_are_xml(golden):
    pictures = re.findall(r"<svg .*?</svg>", render(golden), re.S)
    assert pictures or not any(len(each["hops"]) > 1 for each in golden["paths"])
    for picture in pictures:
        ElementTree.fromstring(picture)


def test_html_loads_nothing_and_has_no_script(golden):
    text = render(golden)
    page = Page(text)
    assert not {"script", "img", "iframe", "object", "embed", "link", "base", "form"} & {
        tag for tag, _ in page.elements
    }
    for _, attributes in page.elements:
        assert not {"style", "src"} & set(attributes)
        assert not any(each.startswith("on") for each in attributes)
        assert (attributes.get("href") or "#").startswith("#")
    style = re.search(r"<style>(.*?)</style>", text, re.S).group(1)
    assert "url(" not in style
    assert "@import" not in style


def test_html_policy_allows_its_style_sheet_only(golden):
    text = render(golden)
    policy = next(a["content"] for tag, a in Page(text).elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    allowed = b64decode(re.search(r"'sha256-([^']+)'", policy).group(1))
    style = re.search(r"<style>(.*?)</style>", text, re.S).group(1)
    assert hashlib.sha256(style.encode()).digest() == allowed
    assert "unsafe" not in policy


def test_html_hostile_strings_stay_text(golden):
    evil = hostile(json.loads(json.dumps(golden)))
    evil["names"] = dict.fromkeys(evil["names"], EVIL)
    text = render(evil)
    page, calm = Page(text), Page(render(golden))
    assert {tag for tag, _ in page.elements} <= {tag for tag, _ in calm.elements} | {"b", "li", "ul"}
    assert {name for _, attributes in page.elements for name in attributes} <= {
        name for _, attributes in calm.elements for name in attributes
    }
    assert "<script>alert(1)" in " ".join(page.text)  # as words
    assert "\x1b" not in text
    assert "\u202e" not in text
    for picture in re.findall(r"<svg .*?</svg>", text, re.S):
        ElementTree.fromstring(picture)


def test_html_of_same_document_has_same_bytes(golden, tmp_path):
    assert render(golden) == render(json.loads(json.dumps(golden)))


def test_html_of_empty_capture_is_well_formed():
    Page(render(analyze([ROOT / "tests" / "made" / "pcap_empty.pcap"]).to_dict()))


@pytest.mark.parametrize("only", ["nat", "paths", "findings"])
def test_html_of_one_section_has_no_other(only):
    page = Page(render(analyze([BRIDGE]).to_dict(only=[only])))
    ids = {attributes["id"] for tag, attributes in page.elements if tag == "section"}
    assert ids <= {only, "points", "inputs"}


def test_html_on_command_line_is_written_to_file(tmp_path):
    words = ["analyze", "pcaps/bridge.pcapng", "--format", "html", "-o", str(tmp_path / "report.html")]
    done = subprocess.run([sys.executable, "-m", "capnet", *words], capture_output=True, cwd=ROOT, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    Page((tmp_path / "report.html").read_text(encoding="utf-8"))
