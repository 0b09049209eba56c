"""The contract of every report format: a file, a line of FORMATS, a test file, and hostile text shown as text.

A capture chooses many strings of a report: names of interfaces, of hosts, of files.
"""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path
from pkgutil import iter_modules
from types import SimpleNamespace
from typing import Any

import pytest

from capnet.cli.analyze import command as analyze_command
from capnet.cli.trace import command as trace_command
from capnet.report import formats
from capnet.report.escape import visible
from capnet.report.formats import FINDINGS_ALONE, FORMATS, TRACE_FORMATS, Format, load
from tests.report import sample
from tests.report.sample import BRIDGE_MAC

REPORTS = [sample.empty, sample.bridge, sample.overlay, sample.hostile]
CONTROLS = ["e\x1b[31mv", "e\u202ev", "e\nv", "e\x07v", "e\x9bv", "e\u200bv", "e\x7fv"]
MARKUP = ["e<script>v", "e|v", "e`v"]


def violations(format_: Format, text: str) -> list[str]:
    """What is wrong with how a format shows a capture in which every name is `text`."""
    written = format_.render(sample.hostile(text).to_dict())
    wrong = []
    if not all(line.isprintable() for line in written.split("\n")):
        wrong.append("a control character is written")
    if not hasattr(format_, "escape"):
        return [*wrong, "no function escape"]
    if not any(char in text for char in format_.LITERAL) and text in written:
        wrong.append("text is written as it is")
    if format_.escape(text) not in written and format_.escape(visible(text)) not in written:
        wrong.append("text is not written as escape writes it")
    return wrong


@pytest.mark.parametrize("text", CONTROLS + MARKUP)
@pytest.mark.parametrize("name", FORMATS)
def test_hostile_text_is_escaped(name: str, text: str) -> None:
    assert violations(load(name), text) == []


@pytest.mark.parametrize("char", "<|`")
@pytest.mark.parametrize("name", FORMATS)
def test_escape_changes_what_is_not_literal(name: str, char: str) -> None:
    assert (load(name).escape(f"a {char} b") == f"a {char} b") == (char in load(name).LITERAL)


def leaky(**more: Any) -> SimpleNamespace:
    """A format that writes every string as it is."""
    return SimpleNamespace(LITERAL="", render=lambda document: "\n".join(strings(document)), **more)


def strings(value: Any) -> list[str]:
    """Every string of a document."""
    if isinstance(value, dict):
        return [text for item in value.items() for text in strings(item)]
    return [text for item in value for text in strings(item)] if isinstance(value, list | tuple) else [str(value)]


def test_contract_notices_a_format_without_escape() -> None:
    assert "no function escape" in violations(leaky(), "e|v")


@pytest.mark.parametrize("text", MARKUP)
def test_contract_notices_markup_that_passes(text: str) -> None:
    assert violations(leaky(escape=lambda text: f"[{text}]"), text) == [
        "text is written as it is",
        "text is not written as escape writes it",
    ]


@pytest.mark.parametrize("text", CONTROLS[:2])
def test_contract_notices_control_characters(text: str) -> None:
    assert "a control character is written" in violations(leaky(escape=visible), text)


@pytest.mark.parametrize("name", FORMATS)
def test_format_has_what_its_protocol_asks_for(name: str) -> None:
    format_ = load(name)
    suffixes = FORMATS[name]
    assert suffixes and all(suffix.startswith(".") for suffix in suffixes)
    assert {formats.format_of_suffix(suffix) for suffix in suffixes} == {name}, "another format has the suffix too"
    assert set(format_.LITERAL) <= set("<|`")
    test_file = Path(__file__).parent / f"test_{name}.py"
    assert test_file.is_file(), f"write tests/report/{test_file.name}: what `escape` makes of each special character"


@pytest.mark.parametrize("make", REPORTS)
@pytest.mark.parametrize("name", FORMATS)
def test_format_writes_the_same_text_twice(name: str, make: Any) -> None:
    """Ends in a newline, and leaves the document alone."""
    document = make().to_dict()
    before = copy.deepcopy(document)
    text = load(name).render(document, 80, {})
    assert text == load(name).render(document, 80, {})
    assert text.endswith("\n")
    assert document == before


@pytest.mark.parametrize("name", FINDINGS_ALONE)
def test_format_of_findings_shows_every_finding(name: str) -> None:
    format_ = load(name)
    written = format_.render(sample.bridge().to_dict())
    for finding in sample.bridge().findings:
        for text in (finding.name, finding.id, finding.says, f"A/docker0 #{finding.evidence[0].frame}"):
            assert format_.escape(text) in written, text


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in FINDINGS_ALONE])
def test_format_shows_sentences_and_every_section(name: str) -> None:
    """Of each section a short string that is in no other; the sentences are no part of JSON."""
    format_ = load(name)
    bridge = format_.render(sample.bridge().to_dict())
    for text in (
        *(["Two containers"] if name != "json" else []), "docker0 bridges two containers", "same payload",
        "speaks for addresses", BRIDGE_MAC, "A/veth3f2a9c1", "source-port-collision", "ethertype 0x88cc",
    ):  # fmt: skip
        assert format_.escape(text) in bridge, text
    overlay = format_.render(sample.overlay().to_dict())
    for text in ("vxlan", "B/overlay:vxlanA/vxlan0", "the last record is cut", "mtu-blackhole"):
        assert format_.escape(text) in overlay, text


def test_format_files_are_all_in_the_list() -> None:
    assert {module.name for module in iter_modules(formats.__path__)} == set(FORMATS)


def test_commands_offer_the_formats_of_the_list() -> None:
    for command, expected in ((analyze_command, tuple(FORMATS)), (trace_command, TRACE_FORMATS)):
        option = next(parameter for parameter in command.params if parameter.name == "format_")
        assert tuple(option.type.choices) == expected  # type: ignore[attr-defined]
    assert set(TRACE_FORMATS) <= set(FORMATS)


def test_format_is_loaded_only_when_asked_for() -> None:
    program = (
        "import sys; from capnet.report.formats import load; import capnet.cli.analyze, capnet.cli.trace\n"
        "loaded = lambda: {name.split('.')[3] for name in sys.modules if name.startswith('capnet.report.formats.')}\n"
        "assert not loaded(), loaded()\n"
        "load('json'); assert loaded() == {'json'}, loaded()"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
