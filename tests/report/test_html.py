"""The page: well-formed, self-contained, deterministic, and deaf to what hostile strings say."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from capnet.analysis.engine import analyze
from capnet.report.formats.html import render
from capnet.report.page.evidence import MAX_FRAMES, wanted_frames
from capnet.report.page.frames import read_frames
from capnet.report.page.supplement import Supplement
from capnet.report.wanted import Wanted
from capnet.topology import Topology, topology_path
from tests.report import golden_documents, sample

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = sorted((ROOT / "pcaps").glob("*.pcapng"))
FAULTS = [path for path in sorted((ROOT / "pcaps" / "faults").glob("*.pcapng")) if ".healthy" not in path.name]
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
    return golden_documents.document(request.param)


def whole_page(path: Path) -> str:
    """The page of a stored capture with its topology and evidence, as the command writes it."""
    document = golden_documents.document(path)
    wanted = wanted_frames(document)
    frames = read_frames(path, [number for _, number in wanted])
    names = {number: file for file, number in wanted}
    return render(
        document,
        beside=Supplement(
            command=f"capnet analyze {path.name}",
            topology=Topology.load(topology_path(path)),
            digests={source["file"]: "00" * 32 for source in document["inputs"]},
            frames={(names[number], number): frame for number, frame in frames.items()},
        ),
    )


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
    assert internal_links(page) <= all_ids(page)
    assert {f"#{each}" for each in ids} <= {f"#{link}" for link in internal_links(page)}


def all_ids(page: Page) -> set[str | None]:
    """The ids of all elements, each of which is there once."""
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    return set(ids)


def internal_links(page: Page) -> set[str]:
    """What links lead to."""
    return {(attributes["href"] or "").removeprefix("#") for tag, attributes in page.elements if tag == "a"}


def test_html_pictures_are_xml(golden):
    pictures = re.findall(r"<svg .*?</svg>", render(golden), re.S)
    assert pictures
    for picture in pictures:
        ElementTree.fromstring(picture)


def test_html_loads_nothing_and_needs_no_script(golden):
    """The one script is the file of the package, and no element has a handler of its own."""
    text = render(golden)
    page = Page(text)
    assert [tag for tag, _ in page.elements].count("script") == 1
    assert not {"img", "iframe", "object", "embed", "link", "base", "form"} & {tag for tag, _ in page.elements}
    for _, attributes in page.elements:
        assert not {"style", "src"} & set(attributes)
        assert not any(each.startswith("on") for each in attributes)
        assert (attributes.get("href") or "#").startswith("#")
    style = re.search(r"<style>(.*?)</style>", text, re.S).group(1)
    assert "url(" not in style
    assert "@import" not in style


def test_html_policy_allows_its_style_and_script_only(golden):
    text = render(golden)
    policy = next(a["content"] for tag, a in Page(text).elements if a.get("http-equiv") == "Content-Security-Policy")
    for name in ("style", "script"):
        allowed = b64decode(re.search(rf"{name}-src 'sha256-([^']+)'", policy).group(1))
        own = re.search(rf"<{name}>(.*?)</{name}>", text, re.S).group(1)
        assert hashlib.sha256(own.encode()).digest() == allowed
    assert policy.startswith("default-src 'none'; ")
    assert {each.split()[0] for each in policy.split("; ")} == {
        "default-src", "style-src", "script-src", "base-uri", "form-action",
    }  # fmt: skip
    assert "unsafe" not in policy


def test_html_hostile_strings_stay_text(golden):
    evil = hostile(json.loads(json.dumps(golden)))
    evil["names"] = dict.fromkeys(evil["names"], EVIL)
    text = render(evil)
    page, calm = Page(text), Page(render(golden))
    assert {tag for tag, _ in page.elements} <= {tag for tag, _ in calm.elements} | {"b", "li", "ul"}
    assert {name for _, attributes in page.elements for name in attributes} <= {
        *(name for _, attributes in calm.elements for name in attributes), "transform", "text-anchor",
    }  # fmt: skip
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


@pytest.mark.by_turns
@pytest.mark.parametrize("path", [*GOLDEN, *FAULTS], ids=lambda path: path.stem)
def test_html_evidence_is_linked_both_ways(path):
    """Each finding and its frames link to each other; every link leads to something."""
    text = whole_page(path)
    page = Page(text)
    ids, links = all_ids(page), internal_links(page)
    assert links <= ids
    frames = {each for each in ids if each and each.startswith("frame-")}
    assert 0 < len(frames) <= MAX_FRAMES
    assert frames <= links
    findings = {each for each in ids if each and each.startswith("finding-")}
    assert findings <= links
    for picture in re.findall(r"<svg .*?</svg>", text, re.S):
        ElementTree.fromstring(picture)


@pytest.mark.parametrize("path", [*GOLDEN[::4], *FAULTS[::12]], ids=lambda path: path.stem)
def test_html_frame_leads_back_to_the_row(path):
    """Each row that names a frame of the page is the target of that frame, which names few: the first six of them."""
    text = whole_page(path)
    back = {frame: re.findall(r'href="#([^"]+)"', after) for frame, after in backs(text)}
    rows = re.findall(r'<(?:tr|details class="path")( id="([a-z_]+-\d+)")?[ >](.*?)</(?:tr|details)>', text, re.S)
    assert back and rows
    for _, anchor, row in rows:
        named = set(re.findall(r'href="#(frame-[\d-]+)"', row))
        assert bool(anchor) == bool(named)
        assert [frame for frame in named if anchor not in back[frame] and len(back[frame]) < 6] == []


def backs(text: str) -> Iterator[tuple[str, str]]:
    """(frame, the paragraph of what it is evidence of)."""
    for match in re.finditer(r'<article class="frame" id="([^"]+)"><h3>.*?</h3>(<p>.*?</p>)?', text):
        yield match[1], match[2] or ""


def test_html_evidence_marks_fields_in_the_bytes():
    text = whole_page(BRIDGE)
    assert '<span class="network key" title="ip.ttl 64">40</span>' in text
    assert '<span class="network key" title="ip.src 172.17.0.3">ac 11 00 03</span>' in text


def test_html_head_says_how_it_was_made():
    text = " ".join(Page(whole_page(BRIDGE)).text)
    for each in ("capnet analyze bridge.pcapng", "00" * 32, "68,936 bytes", "capnet 0", "UTC"):
        assert each in text


def test_html_drawing_links_to_what_was_rewritten_and_wrapped():
    text = render(sample.bridge().to_dict())
    pictures = re.findall(r"<svg .*?</svg>", text, re.S)
    linked = [re.findall(r'<a href="#(\w+)"><text[^>]*>([^<]*)', picture) for picture in pictures]
    assert len(linked) == 2
    for links in linked:
        assert {target for target, of in links if of.startswith(("SNAT", "DNAT"))} == {"nat"}
    assert 'id="nat"' in text
    overlay = whole_page(ROOT / "pcaps" / "overlay.pcapng")
    assert 'id="tunnels"' in overlay and '<a href="#tunnels"><text' in overlay


def test_html_problem_comes_before_the_drawing():
    text = whole_page(ROOT / "pcaps" / "faults" / "docker-user-drop.pcapng")
    assert text.index("got no answer") < text.index('<figure id="network">') < text.index("<h2>Stations")


def test_html_rule_of_the_kernel_stands_beside_its_frame():
    text = whole_page(ROOT / "pcaps" / "faults" / "kernel-drop.pcapng")
    article = text[text.index('id="frame-1-15"') :]
    assert "<b>Kernel:</b>" in article[: article.index("</article>")]
    assert "-A INPUT -s 192.168.111.129/32" in article


def test_html_conversation_is_one_ladder():
    """There and back of B → A:8080 side by side: one ladder for each way through the network."""
    text = whole_page(BRIDGE)
    assert text.count('class="ladder"') == 4
    ladders = [each.partition("</details>")[0] for each in text.split('class="ladder"')[1:]]
    ladder = next(each for each in ladders if "B:37218 → A:8080" in each)
    for each in ('<b class="nat">DNAT · routed</b>', "routed · un-DNAT (reply)", "web:80 → B:37218"):
        assert each in ladder


def test_html_tables_are_bounded_with_all_flows():
    """`--top all` of 128,097 flows: the page has some, and says how many more there are."""
    report = sample.bridge()
    many = [replace(report.flows.top[0], sport=port % 65536, dport=port // 65536) for port in range(5_000)]
    document = replace(report, flows=replace(report.flows, count=5_000, top=many)).to_dict()
    text = render(document, wanted=Wanted(top=5_000))
    assert "and 3,000 more rows: --format json --top all has all of them" in text
    assert text.count("<tr>") < 2_100


def test_html_hostile_frames_stay_text():
    """Names of points and files are hostile in evidence, drawing and ladders too."""
    document = sample.hostile(EVIL).to_dict()
    frames = read_frames(BRIDGE, range(1, 40))
    beside = Supplement(
        command=EVIL,
        topology=hostile_topology(),
        frames={(frame["file"], number): frames[number] for row in document["findings"] for frame in row["evidence"]
                for number in (frame["frame"],) if number in frames},
        where={document["inputs"][0]["file"]: EVIL},
    )  # fmt: skip
    text = render(document, beside=beside)
    page = Page(text)
    assert [tag for tag, _ in page.elements].count("script") == 1
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert "\x1b" not in text and "\u202e" not in text
    for picture in re.findall(r"<svg .*?</svg>", text, re.S):
        ElementTree.fromstring(picture)


def hostile_topology() -> Topology:
    """Hosts and containers that are called what no page may obey."""
    topology = Topology.load(topology_path(BRIDGE))
    for container in topology.containers:
        container.name = EVIL
        for endpoint in container.endpoints:
            endpoint.veth = endpoint.interface = EVIL
    for interface in topology.hosts[0].interfaces:
        interface.name = EVIL if interface.kind == "bridge" else interface.name
    return topology


def test_html_on_command_line_is_written_to_file(tmp_path):
    words = ["analyze", "pcaps/bridge.pcapng", "--format", "html", "-o", str(tmp_path / "report.html")]
    done = subprocess.run([sys.executable, "-m", "capnet", *words], capture_output=True, cwd=ROOT, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    Page((tmp_path / "report.html").read_text(encoding="utf-8"))
