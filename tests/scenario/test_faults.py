"""What every file in scenarios/faults must have: two stored captures; one names the fault, and one is silent."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from capnet.scenario.faults import library
from capnet.scenario.faults.library import load
from capnet.scenario.faults.play import Played, paths
from capnet.scenario.faults.verdict import Verdict, findings_above_info, judge
from capnet.topology import topology_path, witnesses_path
from tests.conftest import PROJECT

CAPTURES = PROJECT / "pcaps" / "faults"
MAX_CAPTURE_BYTES = 60_000

every_fault = pytest.mark.parametrize("name", library.files())


def stored(name: str) -> Played:
    return Played(*(CAPTURES / path.name for path in paths(Path(CAPTURES), name)))


def test_fault_written_to_a_file_keeps_its_healthy_capture_apart(tmp_path: Path) -> None:
    """Both were FILE.pcapng: the network was broken at once, and then said not to work when healthy."""
    assert paths(tmp_path / "x.pcapng", "routing-loop") == (tmp_path / "x.pcapng", tmp_path / "x.healthy.pcapng")
    assert paths(tmp_path, "routing-loop")[0] == tmp_path / "routing-loop.pcapng"


@every_fault
def test_fault_file_describes_the_fault(name: str) -> None:
    module = load(name).module
    docstring = module.__doc__ or ""
    assert docstring.startswith(f"{name}: ")
    assert "\nSends " in docstring
    assert module.BREAKS.command.count("\n") == 0


@every_fault
def test_fault_capture_names_the_fault_alone(name: str) -> None:
    assert judge(load(name), stored(name)).wrong == ()


@pytest.mark.by_turns
@every_fault
def test_fault_is_named_without_topology(name: str, tmp_path: Path) -> None:
    """From packets alone: no names, no published ports, no routes."""
    broken, healthy = (Path(shutil.copy(path, tmp_path)) for path in stored(name))
    fault = load(name)
    assert (fault.finding in findings_above_info(broken)) is not fault.needs_topology
    assert findings_above_info(healthy) == ()


@every_fault
def test_fault_captures_are_small_and_its_own(name: str) -> None:
    for path in stored(name):
        assert path.stat().st_size <= MAX_CAPTURE_BYTES
        assert json.loads(topology_path(path).read_text(encoding="utf-8"))["scenario"] == f"fault {name}"


def test_fault_captures_all_have_a_fault() -> None:
    expected = {path for name in library.files() for path in stored(name)}
    assert {path for path in CAPTURES.iterdir() if path.suffix == ".pcapng"} == expected
    described = {path for path in CAPTURES.iterdir() if path.suffix == ".json"}
    assert described - {witnesses_path(path) for path in expected} == {topology_path(path) for path in expected}


def test_verdict_says_what_is_wrong_with_swapped_captures() -> None:
    """The healthy capture in the place of the broken one: its finding is missing, and one is where none should be."""
    played = stored("duplicate-ip")
    verdict = judge(load("duplicate-ip"), Played(broken=played.healthy, healthy=played.broken))
    assert verdict == Verdict(
        broken=(),
        healthy=("duplicate-ip",),
        wrong=("duplicate-ip is not told", "told of the healthy network: duplicate-ip"),
    )


def test_verdict_names_findings_that_are_not_expected() -> None:
    """Another fault's captures."""
    verdict = judge(load("duplicate-ip"), stored("firewall-rejected"))
    assert verdict.wrong == ("duplicate-ip is not told", "told as well: firewall-rejected")
