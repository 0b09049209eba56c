"""Every scenario's claims, on its golden capture: checked offline as they are after a live run, and able to fail."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from capnet.analysis.engine import analyze
from capnet.cli.scenario_all import Rounds
from capnet.cli.scenario_run import check
from capnet.errors import EnvironmentLacks, Exit, ScenarioFailed
from capnet.scenario import library
from capnet.scenario.checks import checks
from capnet.scenario.checks.observed import EMBEDDED_DNS, Comparison, Observed
from capnet.topology import topology_path
from capnet.wire.capture import open_capture
from capnet.wire.formats import pcapng_writer as writer
from tests.conftest import PROJECT

PCAPS = PROJECT / "pcaps"
SCENARIOS = [name for name in library.files() if (PCAPS / f"{name}.pcapng").exists()]


def golden(name: str) -> Path:
    return PCAPS / f"{name}.pcapng"


def broken(name: str, capture: Path) -> list[str]:
    return [each.claim for each in checks.verify(library.load(name), capture) if not each.passed]


def test_translation_missing_in_conntrack_fails(tmp_path: Path) -> None:
    capture = tmp_path / "bridge.pcapng"
    shutil.copy(golden("bridge"), capture)
    topology = json.loads(topology_path(golden("bridge")).read_text())
    lines = topology["hosts"][0]["conntrack"]
    assert any("dport=8080" in line for line in lines)
    topology["hosts"][0]["conntrack"] = [
        line.replace("sport=8080", "sport=8081").replace("dport=8080", "dport=8081") for line in lines
    ]
    topology_path(capture).write_text(json.dumps(topology))
    assert broken("bridge", capture) == [
        "host A's connection table has the same translations, before and after",
        "nothing is said to be rewritten that no connection table has",
    ]


@pytest.mark.parametrize(
    ("name", "many"),
    [
        ("bridge", 4),
        ("bridge-clash", 6),
        ("bridge-hairpin", 0),
        ("bridge-hairpin-noproxy", 1),
        ("bridge-user-defined", 2),
        ("overlay", 4),
    ],
)
def test_translation_missing_in_report_fails(name: str, many: int) -> None:
    """`many`: translated entries of conntrack whose two forms tshark saw at two points of the host."""
    claim = "every answered connection that a host translated, and that passed two of its points in both forms, is told"
    report = analyze([golden(name)]).to_dict()
    found = [each for each in report["nat"] if each["before"]["dst"] != EMBEDDED_DNS]
    told = {each.claim: each.passed for each in checks.verify(library.load(name), golden(name), report=report)}
    assert told[claim]
    missed = 0
    for row in found:
        report["nat"] = [each for each in found if each is not row]
        told = {each.claim: each.passed for each in checks.verify(library.load(name), golden(name), report=report)}
        missed += told[claim] is False
    assert missed == many


def test_check_of_an_uncaptured_point_is_left_out() -> None:
    verdicts = checks.verify(library.load("overlay"), golden("overlay"), whole=False)
    left_out = [each.claim for each in verdicts if each.passed is None]
    # Of the whole are the model, ways from end to end, and what both sides of a translation show.
    assert [claim.split()[:3] for claim in left_out] == [
        ["the", "model", "is"],
        ["the", "ping", "is"],
        ["out", "through", "docker_gwbridge"],
        ["to", "the", "other"],
    ]
    # What is said of NAT holds for any points.
    assert [each.claim.split()[0] for each in verdicts if each.passed] == ["on", "inside", "nothing", "every"]


def captured(capture: Path, interface: str, to: Path) -> Path:
    """What `--capture INTERFACE` would have left: the golden's frames at the points of that name, and no others."""
    topology = json.loads(topology_path(capture).read_text())
    topology["points"] = [each for each in topology["points"] if each["interface"] == interface]
    names = [each["name"] for each in topology["points"]]
    data = writer.section() + b"".join(writer.interface(name) for name in names)
    with open_capture(capture) as source:
        for record in source.records():
            if (name := source.interfaces[record.interface].name) in names:
                data += writer.packet(names.index(name), record.time, bytes(record.data), wire_length=record.wirelen)
    to.write_bytes(data)
    topology_path(to).write_text(json.dumps(topology))
    return to


@pytest.mark.by_turns
@pytest.mark.parametrize("name", SCENARIOS)
def test_fewer_points_make_no_check_fail(name: str, tmp_path: Path) -> None:
    interfaces = {each["interface"] for each in json.loads(topology_path(golden(name)).read_text())["points"]}
    assert interfaces
    for interface in sorted(interfaces):
        verdicts = checks.verify(
            library.load(name), captured(golden(name), interface, tmp_path / "part.pcapng"), whole=False
        )
        assert [(interface, each.claim, each.difference) for each in verdicts if each.passed is False] == []


def test_check_of_a_missing_container_fails() -> None:
    module = ModuleType("stub")

    def check_somebody(observed: Observed) -> Comparison:
        """nobody is somebody"""
        return observed.ip("nobody"), "1.2.3.4"

    module.check_somebody = check_somebody  # type: ignore[attr-defined]
    first, *_ = checks.verify(module, golden("none"))
    assert first == checks.CheckResult("nobody is somebody", False, "no container nobody")


def test_failed_check_names_claim_and_capture() -> None:
    with pytest.raises(ScenarioFailed) as failed:
        check("none", golden("host"), whole=True)
    said = str(failed.value)
    assert failed.value.exit_code == Exit.FINDING
    assert "expected: the model is none; found host, not none" in said
    assert str(golden("host")) in said


def test_worst_outcome_of_all_is_the_exit_code() -> None:
    def play(name: str, say: Callable[[str], None]) -> Path:
        if name == "ipvlan-l2":
            raise EnvironmentLacks("this kernel lacks ipvlan")
        return golden("host" if name == "none" else name)

    rounds = Rounds(3)
    rounds.run(["bridge"], play)
    assert rounds.code() == Exit.OK
    rounds.run(["ipvlan-l2"], play)
    assert rounds.code() == Exit.LACKS
    rounds.run(["none"], play)
    assert rounds.code() == Exit.FINDING
    rows = {line.split()[0]: line for line in rounds.table().splitlines()}
    assert "ok, " in rows["bridge"] and "snat 3, dnat 1" in rows["bridge"]
    assert "this kernel lacks ipvlan" in rows["ipvlan-l2"]
    assert "failed" in rows["none"]
