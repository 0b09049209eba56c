"""Comparing captures: of stored faults, with their healthy networks and with other recordings of these.

What is wrong in a fault is what its file breaks; networks that were recorded twice have no difference by construction.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from capnet import language
from capnet.cli import cli
from capnet.errors import Exit, UsageError
from capnet.report.comparison.differences import compare, translation_lines
from capnet.report.comparison.identity import Identity
from capnet.report.comparison.names import with_names
from capnet.report.comparison.text import first_sentence, render
from capnet.report.text import columns
from capnet.scenario.faults import library
from tests.conftest import PROJECT
from tests.report.golden_documents import document

FAULTS = PROJECT / "pcaps" / "faults"
AGAIN = Path(__file__).parent / "recorded_again"
STORED = [name for name in library.files() if (FAULTS / f"{name}.pcapng").is_file()]


@pytest.mark.by_turns
@pytest.mark.parametrize("name", STORED)
def test_fault_is_what_is_new_beside_its_healthy_network(name: str) -> None:
    fault = library.load(name)
    healthy, faulty = document(FAULTS / f"{name}.healthy.pcapng"), document(FAULTS / f"{name}.pcapng")
    broken = compare(healthy, faulty)
    names = [row["name"] for row in broken["findings"]["came"]]
    assert fault.finding in names[:2] and set(names) <= {fault.finding, *fault.also}
    assert f"New in the second capture: {broken['findings']['came'][0]['says']}" in first_sentence(broken)
    mended = compare(faulty, healthy)
    assert not mended["findings"]["came"] and not mended["flows"]["broke"]
    assert first_sentence(compare(healthy, healthy)) == "No difference in what both captures show."


@pytest.mark.parametrize("path", sorted(AGAIN.glob("*.pcapng")), ids=lambda path: path.stem)
def test_network_recorded_twice_has_no_difference(path: Path) -> None:
    """MACs, ports of clients and times differ, and once the order of copies to a group."""
    comparison = compare(document(FAULTS / path.name), document(path))
    assert first_sentence(comparison) == "No difference in what both captures show.", render(comparison)
    other = compare(document(path), document(FAULTS / path.name))
    assert first_sentence(other) == "No difference in what both captures show."


def test_ports_of_docker_dns_are_no_difference() -> None:
    """Docker draws the port behind 127.0.0.11:53 when a container starts: here 54756, of another one any other."""
    recorded = document(PROJECT / "tests/analysis/facts/kernel/recorded/caller-alone.pcapng")
    identity = Identity(recorded)
    lines = set(translation_lines(recorded, identity))
    assert lines == {"DNAT udp: 127.0.0.1 → 127.0.0.11:53 becomes 127.0.0.1 → 127.0.0.11"}
    flows = {str(identity.flow(row["proto"], row["flow"], row["point"])) for row in recorded["fates"]}
    assert {name for name in flows if "127.0.0.11" in name} <= {
        "udp 127.0.0.1 → 127.0.0.11", "udp 127.0.0.11 → 127.0.0.1", "udp 127.0.0.11:53 → 127.0.0.1",
    }  # fmt: skip


def test_flow_that_stops_is_told_with_both_places() -> None:
    name = "stops-between"
    comparison = compare(document(FAULTS / f"{name}.healthy.pcapng"), document(FAULTS / f"{name}.pcapng"))
    (row,) = comparison["flows"]["broke"]
    assert row == {"flow": "tcp app → B:80", "good": "delivered", "bad": "stops at A/docker0, due at A/ens33"}
    assert comparison["translations"]["went"] == ["SNAT tcp: app → B:80 becomes A → B:80"]
    (route,) = comparison["routes"]
    assert (route["good"][-1], route["bad"][-1]) == ("A/ens33", "A/docker0")
    lines = render(comparison, 60).splitlines()
    assert max(map(columns, lines)) <= 60


def test_point_that_one_lacks_changes_no_route(tmp_path: Path) -> None:
    """bridge, and the same without what docker0 heard: the point is told, and the routes beside it are the same."""
    whole = document(PROJECT / "pcaps" / "bridge.pcapng")
    less = json.loads(json.dumps(whole))
    less["points"] = [point for point in less["points"] if point["name"] != "A/docker0"]
    for path in less["paths"]:
        path["hops"] = [hop for hop in path["hops"] if hop["point"] != "A/docker0"]
    comparison = compare(whole, less)
    assert comparison["points"] == {"came": [], "went": ["A/docker0"]}
    assert comparison["routes"] == []


def test_command_prints_it_and_sets_the_exit_code(tmp_path: Path) -> None:
    good, bad = FAULTS / "stops-between.healthy.pcapng", FAULTS / "stops-between.pcapng"

    def capnet(*words: str | Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "capnet", "compare", *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, check=False)

    broken, same = capnet(good, bad), capnet(good, good)
    assert (broken.returncode, same.returncode) == (1, 0)
    assert "New in the second capture: 4 packets (tcp)" in broken.stdout
    printed = json.loads(capnet(good, bad, "-o", "/dev/stdout", "--format", "json").stdout)
    assert printed["schema"] == "capnet.comparison/1" and printed["findings"]["came"][0]["name"] == "stops-between"
    assert capnet(good, tmp_path / "none.pcapng").returncode == 3
    assert capnet(good).returncode == 2


def test_capture_without_packets_is_no_healthy_network(tmp_path: Path) -> None:
    """It was said that nothing fails in it, with exit code 0."""
    good, empty = FAULTS / "stops-between.healthy.pcapng", tmp_path / "empty.pcap"
    empty.write_bytes(bytes.fromhex("d4c3b2a1 02000400 00000000 00000000 ffff0000 01000000"))
    for given, says in (((good, empty), "cannot show what fails"), ((empty, good), "cannot show what worked")):
        result = CliRunner().invoke(cli, ["compare", *map(str, given)], standalone_mode=False)
        assert (says in " ".join(result.stdout.split()), result.return_value) == (True, Exit.UNREADABLE)


def test_damage_of_a_capture_is_told(tmp_path: Path) -> None:
    good, cut = FAULTS / "stops-between.healthy.pcapng", tmp_path / "cut.pcapng"
    cut.write_bytes(good.read_bytes()[:-100])
    result = CliRunner().invoke(cli, ["compare", str(good), str(cut)], standalone_mode=False)
    assert f"{cut} is damaged" in result.stderr


def test_standard_input_is_one_capture() -> None:
    result = CliRunner().invoke(cli, ["compare", "-", "-"], standalone_mode=False)
    assert isinstance(result.exception, UsageError)


def test_hostile_names_are_printable(tmp_path: Path) -> None:
    hostile = tmp_path / "e\x1b[2Jvil\u202e.pcapng"
    hostile.write_bytes((FAULTS / "stops-between.pcapng").read_bytes())
    text = render(compare(document(hostile), document(FAULTS / "stops-between.pcapng")))
    assert all(line.isprintable() for line in text.splitlines())


def test_sentence_has_names_and_the_legend_their_addresses() -> None:
    comparison = compare(
        document(FAULTS / "docker-user-drop.healthy.pcapng"), document(FAULTS / "docker-user-drop.pcapng")
    )
    assert "8 SYNs of B to A:8080 (web:80) got no answer" in first_sentence(comparison)
    assert comparison["names"] == {"A": ["192.168.111.128"], "B": ["192.168.111.129"], "web": ["172.17.0.2"]}
    lines = render(comparison).splitlines()
    assert lines[-1] == "Names  A 192.168.111.128 · B 192.168.111.129 · web 172.17.0.2"
    assert len([line for line in lines if "8 SYNs" in line]) == 1


def test_sentence_keeps_macs_and_the_texts_of_rules() -> None:
    """A rule is quoted as the kernel has it; a MAC is no IPv6 address."""
    names = Identity({"points": [], "names": {"172.17.0.2": "web", "fd00::2": "db", "02:42:ac:11:00:02": "web"}})
    rule = "-A FORWARD -d 172.17.0.2 -j DROP"
    says = f"172.17.0.2:80 (02:42:ac:11:00:02) and [fd00::2]:80 lost 3 packets: {rule} (see `ip r get 172.17.0.2`)"
    told = f"web:80 (02:42:ac:11:00:02) and [db]:80 lost 3 packets: {rule} (see `ip r get 172.17.0.2`)"
    assert with_names({"says": says, "facts": {"rule": rule, "lost": 3}}, names) == told


def test_comparison_in_chinese_tells_forms_and_outcomes_apart() -> None:
    """An arrow is a flow's or an outcome's, never that of a translation, too."""
    with language.used("zh"):
        paths = (FAULTS / f"docker-user-drop{kind}.pcapng" for kind in (".healthy", ""))
        lines = render(compare(*map(document, paths))).splitlines()
    assert "  − 目的地址转换 tcp：B → A:8080 变为 B → web:80" in lines
    assert "  tcp B → A:8080：已送达 → 无应答，重发了 3 次；最后见于 A/ens33" in lines
