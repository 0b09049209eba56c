"""--baseline: a finding of the same name about the same thing is known, though Docker drew addresses and ports anew."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from capnet.analysis.core.contract.document import Document
from capnet.analysis.core.contract.report import Report
from capnet.analysis.core.results import Finding
from capnet.cli import cli
from capnet.errors import Exit, UnreadableInput
from capnet.report.comparison.baseline import finding_key, with_baseline
from capnet.report.comparison.identity import Identity
from tests.conftest import PROJECT
from tests.report import sample
from tests.report.golden_documents import document

FAULTS = PROJECT / "pcaps" / "faults"
BROKEN, HEALTHY = FAULTS / "routing-loop.pcapng", FAULTS / "routing-loop.healthy.pcapng"
FIRST_CLIENT_PORT = 32_768  # net.ipv4.ip_local_port_range of Linux begins here
WEB = {"172.17.0.2": "web", "fd00::2": "web6"}


CLIENTS = {"client": "172.17.0.2:45461", "server": "10.0.0.1:50051"}


def key(identifier: str, names: dict[str, str] | None = None) -> str:
    return finding_key(identifier, CLIENTS, Identity(sample.changed(sample.bridge(), {"names": names or {}}).to_dict()))


@pytest.mark.parametrize(
    ("identifier", "expected"),
    [
        ("retransmissions", "retransmissions"),
        ("dns-slow:172.17.0.2", "dns-slow:web"),
        ("dns-slow:172.17.0.2#2", "dns-slow:web"),
        ("dns-slow:172.17.0.20", "dns-slow:172.17.0.20"),
        ("firewall-rejected:fd00::2,80", "firewall-rejected:web6,80"),
        ("gateway-mac-changed:172.17.0.2,02:42:ac:11:00:02,1a:0a:6e:40:d1:28", "gateway-mac-changed:web"),
        ("idle-connection-forgotten:172.17.0.2:45461,10.0.0.1:50051", "idle-connection-forgotten:web,10.0.0.1:50051"),
        ("direct-access-dropped:A/docker0,[fd00::2]:8080", "direct-access-dropped:A/docker0,[web6]:8080"),
    ],
)
def test_key_names_what_holds_in_both(identifier: str, expected: str) -> None:
    assert key(identifier, WEB) == expected


def test_container_with_another_address_is_the_same() -> None:
    old = sample.changed(sample.bridge(), {"names": {"172.17.0.2": "web"}})
    new = sample.changed(sample.bridge(), {"names": {"172.17.0.9": "web"}})
    found = {"172.17.0.2": old, "172.17.0.9": new}
    old, new = (
        replace(report, findings=[Finding("dns-slow", "warning", "", None, {}, id=f"dns-slow:{address}")])
        for address, report in found.items()
    )
    assert [row.in_baseline for row in with_baseline(new, old.to_dict()).findings] == [True]
    other = replace(new, findings=[replace(new.findings[0], id="dns-slow:172.17.0.2")])
    assert [row.in_baseline for row in with_baseline(other, old.to_dict()).findings] == [False]


def named(*rows: tuple[str, str], **facts: object) -> Report:
    """A report with findings of these ids and levels."""
    findings = [Finding(id.partition(":")[0], level, "", None, facts, id=id) for id, level in rows]
    return replace(sample.changed(sample.bridge(), {"names": {}}), findings=findings)


def known(old: Report, new: Report) -> list[bool | None]:
    return [row.in_baseline for row in with_baseline(new, old.to_dict()).findings]


def test_findings_of_one_key_are_counted() -> None:
    """MACs are left out of a key: one host with a wrong MAC accounts for one host, not for two."""
    first, second = "foreign-mac:02:00:00:00:00:01", "foreign-mac:02:00:00:00:00:02"
    old = named((second, "error"))
    assert known(old, named((first, "error"), (second, "error"))) == [False, True]
    assert known(old, named((first, "error"))) == [True]


def test_finding_that_became_worse_is_new() -> None:
    """A note of before, such as a symptom that another finding explained, is no reason to pass an error."""
    assert known(named(("x:a", "info")), named(("x:a", "error"))) == [False]
    assert known(named(("x:a", "error")), named(("x:a", "warning"))) == [True]


def test_list_of_many_is_new_when_it_grows() -> None:
    old, more = (named(("x", "error"), findings=number, examples=["x:a"]) for number in (21, 22))
    assert known(old, old) == known(more, old) == [True]
    assert known(old, more) == [False]


@pytest.mark.by_turns
@pytest.mark.parametrize("fault", sorted(FAULTS.glob("*.healthy.pcapng")), ids=lambda path: path.name.split(".")[0])
def test_fault_is_new_after_its_healthy_twin(fault: Path) -> None:
    """And a client's port, which is drawn anew, names none."""
    broken = document(fault.with_name(fault.name.replace(".healthy", "")))
    errors = keys(broken, "error")
    assert not errors & keys(document(fault))
    ports = [int(port) for name in keys(broken) for port in re.findall(r":(\d+)\b", name.partition(":")[2])]
    assert not [port for port in ports if port >= FIRST_CLIENT_PORT]


def keys(report: Document, *levels: str) -> set[str]:
    identity = Identity(report)
    rows = [row for row in report["findings"] if not levels or row["level"] in levels]
    return {finding_key(row["id"], row["facts"], identity) for row in rows}


def analyze(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["analyze", *map(str, arguments)])


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """The report on a broken network."""
    file = tmp_path / "old.json"
    assert analyze(BROKEN, "-o", file).exit_code == 0
    return file


def test_only_what_is_new_fails(old: Path) -> None:
    again = CliRunner().invoke(
        cli, ["analyze", str(BROKEN), "--fail-on", "error", "--baseline", str(old)], standalone_mode=False
    )
    assert again.return_value == Exit.OK
    first = CliRunner().invoke(cli, ["analyze", str(BROKEN), "--fail-on", "error"], standalone_mode=False)
    assert first.return_value == Exit.FINDING
    assert "Nothing new. 1 problem that the baseline has too: routing-loop (--only findings)" in again.output
    assert "Fix:" in first.output and "Fix:" not in again.output


def test_json_says_what_the_baseline_has(old: Path) -> None:
    rows = json.loads(analyze(BROKEN, "--format", "json", "--baseline", old).output)["findings"]
    assert rows and all(row["in_baseline"] for row in rows)
    rows = json.loads(analyze(BROKEN, "--format", "json").output)["findings"]
    assert {row["in_baseline"] for row in rows} == {None}


@pytest.mark.parametrize(
    "content", ["", "{}", '{"schema": "capnet.topology/1"}', '{"schema": "capnet.report/1", "points": []}']
)
def test_what_is_no_report_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text(content)
    error = analyze(BROKEN, "--baseline", tmp_path / "old.json").exception
    assert isinstance(error, UnreadableInput) and "old.json" in str(error)
    shutil.rmtree(tmp_path)
    assert isinstance(analyze(BROKEN, "--baseline", tmp_path / "old.json").exception, UnreadableInput)
