"""The library as a program uses it: `from capnet import …`, in any order of imports, with any kind of path."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from os import PathLike
from pathlib import Path

import pytest

from capnet import Topology, analyze, open_capture
from capnet.analysis import engine
from capnet.analysis.engine import Progress, Source
from capnet.errors import UnreadableInput
from tests.conftest import PROJECT

TCP = PROJECT / "tests" / "made" / "tcp.pcap"
UDP = PROJECT / "tests" / "made" / "arp.pcap"


class Somewhere(PathLike[str]):
    """A path of another make."""

    def __fspath__(self) -> str:
        return str(TCP)


@pytest.mark.parametrize("before", ["pass", "import capnet.analysis.core.flow_rows", "import capnet.analysis.engine"])
def test_the_name_means_the_same_before_and_after_its_modules_are_imported(before: str) -> None:
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


def test_its_signature_is_the_function_s() -> None:
    assert inspect.signature(analyze) == inspect.signature(engine.analyze)


@pytest.mark.parametrize("one", [str(TCP), TCP, Somewhere(), Source(TCP)], ids=lambda one: type(one).__name__)
def test_one_source_or_several_of_any_kind(one: object) -> None:
    expected = analyze([TCP])
    assert analyze(one) == analyze([one]) == analyze(iter([one])) == expected
    assert [each.file for each in analyze([one, UDP]).inputs] == [str(TCP), str(UDP)]


def test_a_topology_takes_the_same_paths(tmp_path: Path) -> None:
    stored = PROJECT / "pcaps" / "bridge.topology.json"
    known = Topology.load(str(stored))
    assert known == Topology.load(stored)
    known.save(str(tmp_path / "again"))
    assert (tmp_path / "again").read_bytes() == stored.read_bytes()


def test_help_shows_what_there_is_to_use() -> None:
    """In a fresh interpreter, where nothing has been loaded yet."""
    code = "import capnet, pydoc; print(pydoc.plain(pydoc.render_doc(capnet)))"
    said = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    for name in ("class Report(", "class Topology(", "open_capture(", "analyze("):
        assert name in said


def test_what_the_readme_shows_runs() -> None:
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    done = subprocess.run([sys.executable, "-c", example], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert "snat tcp" in done.stdout


def test_open_capture_takes_the_same_paths() -> None:
    for path in (str(TCP), TCP, Somewhere()):
        with open_capture(path) as capture:
            assert sum(len(block) for block in capture.blocks()) > 0


@pytest.mark.parametrize("wrong", [b"tcp.pcap", [b"tcp.pcap"], [TCP, None], [[TCP]], 7, None])
def test_what_is_no_source_is_said_so(wrong: object) -> None:
    with pytest.raises(TypeError):
        analyze(wrong)


def test_a_second_file_in_place_of_a_topology_is_said_so() -> None:
    with pytest.raises(TypeError, match="several captures go in a list"):
        analyze(TCP, Path("right.pcap"))


def test_damaged_topology_is_refused_before_reading(tmp_path: Path) -> None:
    """The user mends the topology first: reading a large capture would only delay the message."""
    (tmp_path / "a.pcap").write_bytes(TCP.read_bytes())
    (tmp_path / "a.topology.json").write_text("{")
    blocks: list[Progress] = []
    with pytest.raises(UnreadableInput, match=r"a\.topology\.json.*mend it or move it away"):
        analyze(tmp_path / "a.pcap", progress=blocks.append)
    assert blocks == []


def test_file_size_is_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Path] = []
    stat = Path.stat

    def counting(path: Path, **how: bool) -> object:
        asked.append(path)
        return stat(path, **how)

    monkeypatch.setattr(Path, "stat", counting)
    assert analyze(TCP).inputs[0].bytes == len(TCP.read_bytes())
    assert asked.count(TCP) == 1
