"""The library as a program uses it: `from capnet import …`, in any order of imports, with any kind of path."""

from __future__ import annotations

import asyncio
import copy
import inspect
import json
import os
import pickle
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from os import PathLike
from pathlib import Path

import pytest

import capnet
from capnet import Topology, analyze, open_capture
from capnet.analysis import engine
from capnet.analysis.core.contract.report import SECTIONS
from capnet.analysis.engine import Source
from capnet.errors import UnreadableInput, UsageError
from tests.conftest import PROJECT

TCP = PROJECT / "tests" / "made" / "tcp.pcap"
BRIDGE, OVERLAY = (PROJECT / "pcaps" / f"{name}.pcapng" for name in ("bridge", "overlay"))
UDP = PROJECT / "tests" / "made" / "arp.pcap"


class Somewhere(PathLike[str]):
    """A path of another make."""

    def __fspath__(self) -> str:
        return str(TCP)


@pytest.mark.parametrize("before", ["pass", "import capnet.analysis.core.flow_rows", "import capnet.analysis.engine"])
def test_analyze_after_other_imports_is_the_same(before: str) -> None:
    code = f"""
{before}
from capnet import analyze
first = analyze({str(TCP)!r})
from capnet import analyze as again
import capnet.analysis.engine as engine
assert again is analyze is capnet.analyze
assert again({str(TCP)!r}) == first == engine.analyze({str(TCP)!r})
"""
    subprocess.run([sys.executable, "-c", "import capnet\n" + code], cwd=PROJECT, check=True)


def test_analyze_has_the_signature_of_the_engine() -> None:
    assert inspect.signature(analyze) == inspect.signature(engine.analyze)


@pytest.mark.parametrize("one", [str(TCP), TCP, Somewhere(), Source(TCP)], ids=lambda one: type(one).__name__)
def test_analyze_takes_sources_of_any_kind(one: object) -> None:
    expected = analyze([TCP])
    assert analyze(one) == analyze([one]) == analyze(iter([one])) == expected
    assert [each.file for each in analyze([one, UDP]).inputs] == [str(TCP), str(UDP)]


def test_topology_takes_paths_of_any_kind(tmp_path: Path) -> None:
    stored = PROJECT / "pcaps" / "bridge.topology.json"
    known = Topology.load(str(stored))
    assert known == Topology.load(stored)
    known.save(str(tmp_path / "again"))
    assert (tmp_path / "again").read_bytes() == stored.read_bytes()


def test_help_shows_the_public_names() -> None:
    """In a fresh interpreter, where nothing has been loaded yet."""
    code = "import capnet, pydoc; print(pydoc.plain(pydoc.render_doc(capnet)))"
    said = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    for name in ("class Finding(", "class Report(", "class Topology(", "open_capture(", "analyze(", "render("):
        assert name in said


def test_readme_example_runs() -> None:
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    done = subprocess.run([sys.executable, "-c", example], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert "snat tcp" in done.stdout


def test_open_capture_takes_paths_of_any_kind() -> None:
    for path in (str(TCP), TCP, Somewhere()):
        with open_capture(path) as capture:
            assert sum(len(block) for block in capture.blocks()) > 0


@pytest.mark.parametrize("wrong", [b"tcp.pcap", [b"tcp.pcap"], [TCP, None], [[TCP]], 7, None])
def test_analyze_of_no_source_raises_type_error(wrong: object) -> None:
    with pytest.raises(TypeError):
        analyze(wrong)


@pytest.mark.parametrize("function", [analyze, capnet.tables])
def test_no_source_at_all_is_no_report_without_findings(function: Callable[[object], object]) -> None:
    """`analyze(glob("*.pcap"))` where the pattern fits nothing: its report would pass every assertion."""
    with pytest.raises(UsageError, match="empty"):
        function([])
    for name in ("", "/", "."):
        with pytest.raises(UnreadableInput, match="no name of a file"):
            function(name)


def test_file_in_place_of_topology_raises_type_error() -> None:
    with pytest.raises(TypeError, match="several captures go in a list"):
        analyze(TCP, Path("right.pcap"))


def test_damaged_topology_is_a_problem_of_its_input(tmp_path: Path) -> None:
    """Everything but names works without it, so the capture is reported all the same."""
    for name in ("a", "b"):
        (tmp_path / f"{name}.pcap").write_bytes(TCP.read_bytes())
    (tmp_path / "b.topology.json").write_text("{")
    report = analyze([tmp_path / "a.pcap", tmp_path / "b.pcap"])
    assert [[problem.name for problem in each.problems] for each in report.inputs] == [[], ["unreadable-topology"]]
    assert "b.topology.json: not JSON" in report.inputs[1].problems[0].says
    assert report.flows.count > 0


def test_file_size_is_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Path] = []
    stat = Path.stat

    def counting(path: Path, **how: bool) -> object:
        asked.append(path)
        return stat(path, **how)

    monkeypatch.setattr(Path, "stat", counting)
    assert analyze(TCP).inputs[0].bytes == len(TCP.read_bytes())
    assert asked.count(TCP) == 1


def test_source_names_the_point_of_a_file_and_reads_a_stream() -> None:
    report = capnet.analyze([capnet.Source(TCP, "A/ens33"), capnet.Source(BRIDGE)])
    assert report.points[0].name == "A/ens33"
    with BRIDGE.open("rb") as file:
        assert capnet.analyze(capnet.Source(None, stream=file)).flows == capnet.analyze(BRIDGE).flows


def test_what_is_no_capture_says_what_to_write() -> None:
    """Lines of an open file were taken for names of files; of bytes, Python said that they have no `read`."""
    with (
        BRIDGE.open("rb") as file,
        pytest.raises(TypeError, match=r"BufferedReader: capnet\.Source\(None, stream=FILE\)"),
    ):
        capnet.analyze(file)
    with pytest.raises(TypeError, match=r"not bytes: io\.BytesIO\(DATA\)"):
        capnet.open_capture(BRIDGE.read_bytes())
    with pytest.raises(TypeError, match=r"not str: capnet\.Topology\.load\(FILE\)"):
        capnet.analyze(BRIDGE, str(BRIDGE.with_suffix(".topology.json")))


def test_public_names_are_few_and_importable() -> None:
    """What is not named here is internal."""
    classes = {"Finding", "Report", "Source", "Topology"}
    public = {*classes, "__version__", "analyze", "errors", "open_capture", "render", "tables"}
    assert set(capnet.__all__) == public
    assert public <= set(dir(capnet))
    assert capnet.errors.UnreadableInput is UnreadableInput
    assert isinstance(capnet.analyze(TCP), capnet.Report)
    with pytest.raises(AttributeError, match="no attribute 'analyse'"):
        capnet.analyse  # noqa: B018


def test_report_to_json_is_what_the_command_prints() -> None:
    report = analyze(BRIDGE)
    printed = subprocess.run(
        [sys.executable, "-m", "capnet", "analyze", str(BRIDGE), "--format", "json"],
        cwd=PROJECT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert report.to_json() == capnet.render(report, "json") == printed
    assert json.loads(printed) == report.to_dict()


def test_report_to_dict_refuses_a_section_that_is_none() -> None:
    report = analyze(TCP)
    with pytest.raises(ValueError, match="choose from"):
        report.to_dict(("nats",))
    assert report.to_dict("nat") == report.to_dict(("nat",))


def test_report_to_dict_keeps_chosen_sections() -> None:
    report = analyze(BRIDGE)
    assert set(report.to_dict()) - set(report.to_dict(only=["nat"])) == set(SECTIONS) - {"nat"}
    assert report.to_dict(only=["nat"])["nat"] == report.to_dict()["nat"] != []


@pytest.mark.parametrize("format", ["table", "html"])
def test_render_writes_each_format(format: str) -> None:
    """As the command does with --full, which names the file as it was given."""
    file = BRIDGE.relative_to(Path.cwd())
    done = subprocess.run(
        [sys.executable, "-m", "capnet", "analyze", str(file), "--full", "--format", format],
        capture_output=True, text=True, check=True, env={**os.environ},  # readline sets COLUMNS behind Python's back
    )  # fmt: skip
    text = capnet.render(analyze(file), format)
    if format == "table":
        assert text == done.stdout
    else:  # the command, which has the files at hand, adds the topology, the frames of the evidence, and itself
        sections = [line for line in re.findall(r"<section id=[^>]+><h2>[^<]*", done.stdout) if "evidence" not in line]
        assert re.findall(r"<section id=[^>]+><h2>[^<]*", text) == sections
        assert "capnet analyze" in done.stdout and "capnet analyze" not in text


def test_render_of_unknown_format_names_the_known() -> None:
    with pytest.raises(ValueError, match=r"no report format 'yaml'; choose from .*html, json, .*table"):
        capnet.render(analyze(TCP), "yaml")


def test_report_cannot_be_changed() -> None:
    report = analyze(TCP)
    with pytest.raises(FrozenInstanceError):
        report.findings = []  # type: ignore[misc]
    assert replace(report, findings=[]).findings == []


@pytest.mark.parametrize("path", [TCP, BRIDGE, OVERLAY], ids=lambda path: path.stem)
def test_repr_of_a_report_fits_a_screen(path: Path) -> None:
    report = analyze([path, UDP])
    lines = repr(report).splitlines()
    assert len(lines) <= 20
    assert max(map(len, lines)) <= 100
    assert path.name in lines[0]
    assert any(line.split()[:2] == ["nat", str(len(report.nat))] for line in lines)


def test_repr_of_a_report_is_safe_to_print() -> None:
    """A file may be called anything; thousands of files are a short line as well."""
    report = analyze(TCP)
    hostile = replace(report.inputs[0], file="/tmp/\x1b[31m\n\u202e" + "x" * 300 + ".pcap")
    lines = repr(replace(report, inputs=[hostile] * 1000)).splitlines()
    assert len(lines) <= 20
    assert all(line.isprintable() and line.isascii() and len(line) <= 100 for line in lines)
    assert "997 more" in lines[0]


def test_facts_cannot_be_changed() -> None:
    """Also copies of them, made in any of the usual ways."""
    (first, *_) = analyze(BRIDGE).nat
    for nat in (first, copy.deepcopy(first), pickle.loads(pickle.dumps(first)), replace(first, packets=1)):
        with pytest.raises(FrozenInstanceError):
            nat.packets = 2  # type: ignore[misc]
        with pytest.raises(FrozenInstanceError):
            del nat.packets
    assert copy.deepcopy(first) == first == pickle.loads(pickle.dumps(first)) != replace(first, packets=-1)


def test_help_shows_tables_and_no_bare_objects() -> None:
    """What a notebook's user looks for: data frames, columns, addresses as text; defaults that can be read."""
    code = "import pydoc, capnet; print(pydoc.plain(pydoc.render_doc(capnet)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    for words in ("report.nat.to_pandas()", "capture.frames()", 'block.text("src")', "docs/export.md"):
        assert words in done.stdout
    assert "object at 0x" not in done.stdout


def test_lists_of_facts_tell_their_columns() -> None:
    """They are compared as lists, also after a copy and a pickle; to other programs they are tables."""
    nat = analyze(OVERLAY).nat
    assert nat == list(nat) and nat.columns[:2] == ["kind", "proto"]  # type: ignore[attr-defined]
    for copied in (copy.copy(nat), copy.deepcopy(nat), pickle.loads(pickle.dumps(nat))):
        assert copied == nat and copied.columns == nat.columns  # type: ignore[attr-defined]
    assert repr(nat.table) == f"<capnet table nat of 4 rows; columns: {', '.join(nat.columns)}>"  # type: ignore[attr-defined]


def test_notebook_shows_report_and_facts_escaped() -> None:
    report = analyze(OVERLAY)
    hostile = replace(report.findings[0], says="<script>\x1b[2J</script>")
    page = replace(report, findings=[hostile])._repr_html_()
    assert "&lt;script&gt;\\x1b[2J" in page and "<script>" not in page
    table = report.nat._repr_html_()  # type: ignore[attr-defined]
    assert table.count("<tr>") == 1 + len(report.nat) and "<th>before_src</th>" in table


def test_report_in_a_notebook_begins_with_the_problem() -> None:
    page = analyze(PROJECT / "pcaps" / "faults" / "published-port-blocked.pcapng")._repr_html_()
    assert page.startswith("<p><b>error</b> 4 SYNs of 192.168.111.129 to 192.168.111.128:8080 (web:80) got no answer")
    assert "<i>Fix:</i> look for a rule in the DOCKER-USER or FORWARD chain" in page
    assert page.index("<pre>") < page.index("<details><summary>Notes that need no action: 1</summary>")


@pytest.mark.parametrize(
    ("what", "call"),
    [
        ("threads is 1 or more, not 0", lambda: analyze(TCP, threads=0)),
        ("budget is 1 or more, not -1", lambda: analyze(TCP, budget=-1)),
        ("vxlan_port is a UDP port, 1 to 65535, or 0 for none, not 70000", lambda: analyze(TCP, vxlan_port=70_000)),
        ("vxlan_port is a UDP port", lambda: open_capture(TCP, vxlan_port=-1)),
        ("vxlan_port is a UDP port", lambda: list(capnet.tables(TCP, vxlan_port=65_536)["frames"])),
    ],
)  # fmt: skip
def test_number_that_makes_no_sense_is_refused(what: str, call: Callable[[], object]) -> None:
    with pytest.raises(UsageError, match=what):
        call()


def test_table_is_not_pickled_and_says_what_is() -> None:
    with pytest.raises(TypeError, match=r"the table flows is read when it is asked for.*capnet.tables.*to_arrow\(\)"):
        pickle.dumps(capnet.tables(TCP)["flows"])


def test_tables_go_to_other_processes() -> None:
    tables = capnet.tables(BRIDGE, flow="port 8080", binary=True)
    rows = list(tables["flows"])
    other = pickle.loads(pickle.dumps(tables))
    assert list(other["flows"]) == rows != list(capnet.tables(BRIDGE)["flows"])


def test_completion_offers_what_is_public() -> None:
    assert [name for name in dir(capnet) if not name.startswith("_")] == sorted({*capnet.__all__} - {"__version__"})


def test_source_takes_a_path_as_text() -> None:
    (point,) = analyze(Source(str(TCP), "A/ens33")).points  # type: ignore[arg-type]
    assert (point.name, point.file) == ("A/ens33", str(TCP))
    with TCP.open("rb") as stream, pytest.raises(TypeError, match="not a Source of BufferedReader: stream= takes"):
        analyze(Source(stream))  # type: ignore[arg-type]


def test_tables_are_a_mapping() -> None:
    tables = capnet.tables(TCP)
    assert list(tables.keys()) == list(tables) == [table.name for table in tables.values()]
    assert tables.get("no such table") is None
    assert tables == tables and tables != capnet.tables(TCP)


def test_notebook_completes_names_of_tables_and_columns() -> None:
    tables, report = capnet.tables(TCP), analyze(TCP)
    for keyed in (tables, tables["flows"], report.stations):
        names = keyed._ipython_key_completions_()
        assert names and all(keyed[name] is not None for name in names)
    with open_capture(TCP) as capture:
        block = next(iter(capture.blocks()))
        assert block._ipython_key_completions_() == list(block.columns)


def test_evidence_is_dissected_where_a_loop_of_asyncio_runs() -> None:
    """As in a notebook, which runs each cell in one."""
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed")
    pytest.importorskip("pyshark", reason="optional")
    evidence = analyze(BRIDGE).nat[0].evidence[0]

    async def cell() -> str:
        return str(evidence.dissect().ip.src)

    assert asyncio.run(cell()) == evidence.packet()["IP"].src


def test_evidence_of_a_stream_says_that_it_is_gone() -> None:
    with BRIDGE.open("rb") as stream:
        evidence = analyze(Source(None, stream=stream)).nat[0].evidence[0]
    for ask in (evidence.packet, evidence.dissect):
        with pytest.raises(UnreadableInput, match=r"the capture was a stream, .* save it to a file first"):
            ask()
