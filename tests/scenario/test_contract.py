"""What every file in scenarios/ must have beside it: a golden capture, its descriptions, and a neighbour that fails."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from capnet.scenario import library
from capnet.scenario.checks import checks
from capnet.scenario.preflight.plan import plan_of
from capnet.scenario.skeleton import write_skeleton
from capnet.topology import Topology, topology_path
from tests.conftest import PROJECT

PCAPS = PROJECT / "pcaps"
MAX_GOLDEN_BYTES = 300_000
MIN_CHECKS = 4
MIN_FAILED_CHECKS = 2  # on the neighbour's packets


def gaps(name: str, file: Path) -> Iterator[str]:
    """What the contract asks of the scenario in `file` and does not find, in words."""
    module = library.load_file(file)
    docstring = module.__doc__ or ""
    if not docstring.startswith(f"{name}: "):
        yield f"its docstring begins with `{name}: `"
    for section in ("Builds ", "Sends ", "Listens at "):
        if f"\n{section}" not in docstring:
            yield f"its docstring has a paragraph `{section.strip()}`"
    claims = list(checks.scenario_checks(module))
    if len(claims) < MIN_CHECKS or "the model is" not in claims[0]:
        yield f"{MIN_CHECKS} checks or more, of which the first is about the model"
    if not _row_of(PCAPS / "README.md", f"`{name}.pcapng`"):
        yield "its line in pcaps/README.md"
    if not _row_of(PROJECT / "README.md", f"`{name}`"):
        yield "its row in README.md's table"
    neighbour = PCAPS / f"{getattr(module, 'NEIGHBOUR', '')}.pcapng"
    if not neighbour.is_file() or neighbour.stem == name:
        yield "NEIGHBOUR, another scenario with a golden"
    elif len(_failed(module, neighbour)) < MIN_FAILED_CHECKS:
        yield f"{MIN_FAILED_CHECKS} checks or more that fail on {neighbour.name}"
    yield from _golden_gaps(name, module)


def _golden_gaps(name: str, module: object) -> Iterator[str]:
    golden = PCAPS / f"{name}.pcapng"
    if not golden.is_file() or not topology_path(golden).is_file():
        yield f"pcaps/{name}.pcapng and its topology"
        return
    if golden.stat().st_size >= MAX_GOLDEN_BYTES:
        yield f"a golden of less than {MAX_GOLDEN_BYTES} bytes"
    if json.loads(topology_path(golden).read_text())["scenario"] != name:
        yield "a golden that was recorded by this scenario"
    yield from _plan_gaps(name, module, Topology.load(topology_path(golden)))
    for claim in _failed(module, golden):
        yield f"a golden that shows: {claim}"


def _plan_gaps(name: str, module: object, topology: Topology) -> Iterator[str]:
    """What the recorded hosts had, by Docker, and the scenario's constants do not say."""
    plan = plan_of(name, module)  # type: ignore[arg-type]
    containers = {each.name for each in topology.containers if each.image and "." not in each.name}
    if containers != set(plan.containers):
        yield f"CONTAINERS = {sorted(containers)}, which Docker had"
    networks = {each.name for each in topology.networks} - {"bridge", "docker_gwbridge", "ingress"}
    if networks != set(plan.networks):
        yield f"NETWORKS = {sorted(networks)}, which Docker had"
    published = {port.host_port for container in topology.containers for port in container.ports}
    if published - set(plan.ports):
        yield f"PORTS with {sorted(published)}, which were published"
    if missing := set(plan.subnets) - {subnet for network in topology.networks for subnet in network.subnets}:
        yield f"SUBNETS without {sorted(missing)}, which no network had"


def _failed(module: object, capture: Path) -> list[str]:
    return [result.claim for result in checks.verify(module, capture) if not result.passed]  # type: ignore[arg-type]


def _row_of(readme: Path, words: str) -> str | None:
    """The row of a table that has these words in a cell before its last one."""
    rows = re.findall(r"^\|.*\|$", readme.read_text(encoding="utf-8"), re.MULTILINE)
    return next((row for row in rows if words in row.rpartition("|")[0].rpartition("|")[0]), None)


@pytest.mark.parametrize(("name", "file"), library.files().items(), ids=list(library.files()))
def test_scenario_has_all_that_its_contract_asks(name: str, file: Path) -> None:
    lacking = list(gaps(name, file))
    assert not lacking, f"{name} needs: " + "; ".join(lacking)


def test_golden_without_scenario_does_not_exist() -> None:
    assert {path.stem for path in PCAPS.glob("*.pcapng")} == set(library.files())
    assert {path.name for path in PCAPS.glob("*.topology.json")} == {
        f"{name}.topology.json" for name in library.files()
    }


def test_new_scenario_lacks_golden_and_its_lines(tmp_path: Path) -> None:
    """The skeleton keeps its own part of the contract; the rest is named."""
    assert list(gaps("no-such-one", write_skeleton("no-such-one", tmp_path))) == [
        "its line in pcaps/README.md",
        "its row in README.md's table",
        "pcaps/no-such-one.pcapng and its topology",
    ]


def test_scenario_with_foreign_neighbour_has_gaps(tmp_path: Path) -> None:
    """A copy of one scenario in the place of another: docstring, golden and neighbour do not fit."""
    text = library.files()["host"].read_text(encoding="utf-8").replace('NEIGHBOUR = "container"', 'NEIGHBOUR = "host"')
    file = tmp_path / "none.py"
    file.write_text(text, encoding="utf-8")
    lacking = list(gaps("none", file))
    assert "its docstring begins with `none: `" in lacking
    assert "2 checks or more that fail on host.pcapng" in lacking
    assert "a golden that shows: the model is host" in lacking
