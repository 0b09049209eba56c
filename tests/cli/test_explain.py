"""`capnet explain`: the manual pages of findings and of network models."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from capnet.analysis.facts.models.weights import NAMES
from capnet.analysis.findings import finding_modules
from capnet.cli import cli
from capnet.errors import UsageError
from capnet.learn import lessons
from capnet.report.manual import HEADINGS
from capnet.report.models.pages import MODEL_PAGES
from capnet.scenario import library
from capnet.scenario.faults.library import faults_named_by, files, load
from tests.conftest import PROJECT


@pytest.mark.parametrize("module", finding_modules(), ids=lambda module: module.NAME)
def test_page_has_every_heading_and_fits(module) -> None:
    page = CliRunner().invoke(cli, ["explain", module.NAME]).output
    lines = page.splitlines()
    assert lines[0].startswith(f"{module.NAME}: ")
    assert [line for line in lines if line in HEADINGS] == list(HEADINGS)
    assert max(map(len, lines)) <= 100


def test_list_names_every_finding() -> None:
    names = {line.split()[0] for line in CliRunner().invoke(cli, ["explain"]).output.splitlines() if line[0] != " "}
    assert names == {module.NAME for module in finding_modules()}


@pytest.mark.parametrize("fault", files(), ids=str)
def test_page_of_a_finding_names_its_faults(fault: str) -> None:
    assert fault in faults_named_by(load(fault).finding)


def test_fault_has_the_page_of_the_finding_that_names_it() -> None:
    page = CliRunner().invoke(cli, ["explain", "docker-user-drop"]).output
    fault, _, finding = page.partition("\n\n")
    assert fault.startswith("docker-user-drop\n    a rule in DOCKER-USER drops what comes from outside")
    assert "breaks by  A: iptables -I DOCKER-USER" in fault and "named by   published-port-blocked" in fault
    assert finding == CliRunner().invoke(cli, ["explain", "published-port-blocked"]).output
    tries = finding.partition("Try it\n")[2].split("\n")
    assert "  capnet scenario fault docker-user-drop --lab" in tries


def test_finding_with_captures_is_told_to_be_no_station() -> None:
    error = CliRunner().invoke(cli, ["explain", "stops-between", str(PROJECT / "pcaps" / "bridge.pcapng")]).exception
    assert isinstance(error, UsageError) and "is a finding: for its page, leave out the captures" in str(error)


SCALED = '"compose_service": "worker"'


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_each_network_model_has_a_page(name: str, lang: str) -> None:
    """Its findings are explained by their own titles, and what it offers to try is there."""
    page = CliRunner().invoke(cli, ["--lang", lang, "explain", name], env={"COLUMNS": "100"}).output
    failures = re.findall(r"^  - ([a-z-]+)[:：]", page, flags=re.MULTILINE)
    assert tuple(failures) == MODEL_PAGES[name].failures
    tried = re.findall(r"^  capnet (learn|scenario) (\S+)", page, flags=re.MULTILINE)
    assert tried[-1][0] == "scenario"
    assert all(what in (lessons.NAMES if command == "learn" else library.files()) for command, what in tried)


def test_findings_of_published_ports_are_of_the_bridge() -> None:
    """docker(1): --publish is discarded with --network host, whose ports the host's own firewall sees."""
    of_published = {"published-port-blocked", "exposed-port", "client-ip-lost"}
    assert {name for name, page in MODEL_PAGES.items() if of_published & set(page.failures)} == {"bridge"}


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ("stop-between", "did you mean stops-between?"),
        ("dead-backen", "did you mean dead-backend or dnat-to-dead-backend?"),
        ("flannel", "it is a scenario; see `capnet scenario flannel --help`"),
        ("bridg", "did you mean bridge?"),
        ("xyzzy", "for a container, add its capture: capnet explain xyzzy FILE"),
    ],
)
def test_unknown_name_is_an_error_with_a_hint(given: str, hint: str) -> None:
    error = CliRunner().invoke(cli, ["explain", given]).exception
    assert isinstance(error, UsageError) and hint in str(error)


def test_compose_service_is_its_container() -> None:
    capture = str(PROJECT / "tests/analysis/facts/kernel/recorded/caller-alone.pcapng")
    pages = {name: CliRunner().invoke(cli, ["explain", name, capture]).output for name in ("worker", "shop-worker-1")}
    assert pages["worker"] == pages["shop-worker-1"] and pages["worker"].startswith("shop-worker-1 ")
    error = CliRunner().invoke(cli, ["explain", "nope", capture]).exception
    assert isinstance(error, UsageError) and "; they name shop-" in str(error)


def test_compose_service_of_several_containers_is_told_with_them(tmp_path: Path) -> None:
    recorded = PROJECT / "tests/analysis/facts/kernel/recorded/caller-alone.topology.json"
    (tmp_path / "two.topology.json").write_text(recorded.read_text().replace('"compose_service": "db"', SCALED))
    (tmp_path / "two.pcapng").write_bytes(recorded.with_name("caller-alone.pcapng").read_bytes())
    error = CliRunner().invoke(cli, ["explain", "worker", str(tmp_path / "two.pcapng")]).exception
    assert isinstance(error, UsageError) and str(error).endswith(
        "; it is the Compose service of shop-db-1 and shop-worker-1"
    )
