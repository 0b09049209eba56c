"""`capnet doctor` on whatever machine this is: complete, honest about what it cannot know, and harmless."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from capnet.cli.doctor import scenario_rows
from capnet.lab.doctor import Play
from capnet.lab.uml import processor
from capnet.record.find.kernel_features import FEATURES
from capnet.scenario import library
from tests.conftest import PROJECT

STATES = {"yes", "no", "uml", "unknown"}


def doctor(*words: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "capnet", "doctor", *words],
        cwd=PROJECT,
        env={**os.environ, "DOCKER_HOST": "unix:///nowhere/docker.sock", **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture(scope="module")
def said() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(doctor("--format", "json"))
    return found


def test_missing_thing_comes_with_its_command(said: dict[str, Any]) -> None:
    assert {check["state"] for check in said["checks"]} <= STATES
    assert [check["what"] for check in said["checks"] if check["state"] in ("no", "uml") and not check["get"]] == []


def test_doctor_without_docker_says_so(said: dict[str, Any]) -> None:
    daemon = next(check for check in said["checks"] if check["what"] == "daemon")
    assert daemon["state"] == "no"
    assert "/nowhere/docker.sock" in daemon["found"]


def test_doctor_lists_features_and_scenarios(said: dict[str, Any]) -> None:
    assert [check["what"] for check in said["checks"] if check["part"] == "kernel"] == list(FEATURES)
    assert [play["scenario"] for play in said["scenarios"]] == list(library.files())
    needed = {feature for name in library.files() for feature in library.kernel_needs(name)}
    assert needed <= set(FEATURES)


@pytest.mark.skipif(processor.lack() is None, reason="nothing here keeps User-Mode Linux from running")
def test_unable_processor_offers_uml_for_nothing(said: dict[str, Any]) -> None:
    row = next(check for check in said["checks"] if check["what"] == "processor")
    assert (row["state"], row["found"]) == ("no", processor.REASON)
    assert "uml" not in {row["state"] for row in (*said["checks"], *said["scenarios"])}
    assert not [check for check in said["checks"] if "user-mode-linux" in (check["get"] or "")]


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("ip"), reason="asks the kernel: needs root and iproute2")
@pytest.mark.parametrize("kind", ["bridge", "macvlan", "ipvlan"])
def test_kernel_feature_equals_what_ip_can_make(said: dict[str, Any], kind: str) -> None:
    """The truth is `ip link` itself, in a namespace that goes with it."""
    parent = "link lo " if kind != "bridge" else ""
    made = "ip link add name lower type bridge && " if kind != "bridge" else ""
    command = f"{made}ip link add name probe {parent.replace('lo', 'lower')} type {kind}"
    done = subprocess.run(["unshare", "--net", "sh", "-c", command], capture_output=True)
    feature = next(check for check in said["checks"] if check["what"] == kind)
    assert (feature["state"] == "yes") == (done.returncode == 0)


def test_missing_programs_are_named_with_packages(tmp_path: Any) -> None:
    """An empty PATH and no administrator's folders: the table must still come, in its usual form."""
    text = doctor("--format", "json", PATH=str(tmp_path))
    dumpcap = next(check for check in json.loads(text)["checks"] if check["what"] == "dumpcap")
    assert dumpcap["state"] in ("no", "yes")  # /usr/sbin is looked at whatever PATH says
    if dumpcap["state"] == "no":
        assert dumpcap["get"] == "sudo apt-get install wireshark-common"


def test_doctor_table_has_a_row_for_each_check(said: dict[str, Any]) -> None:
    table = doctor()
    for check in said["checks"]:
        assert check["what"] in table
    for play in said["scenarios"]:
        assert play["scenario"] in table


def test_doctor_tells_of_scenarios_alike_in_one_row(said: dict[str, Any]) -> None:
    reasons = {(play["state"], play["found"]) for play in said["scenarios"]}
    counts = re.findall(rf"^\S* +(\d+) / {len(said['scenarios'])}  ", doctor(), re.MULTILINE)
    assert len(counts) == len(reasons)
    assert sum(map(int, counts)) == len(said["scenarios"])


def test_scenario_names_fill_their_lines() -> None:
    """They are wrapped once, at the width of the column: a table that wraps them again leaves a name on a line."""
    names = list(library.files())
    (row,) = scenario_rows([Play(name, "yes", "") for name in names], 40)
    lines = row[3].splitlines()
    assert " ".join(lines) == ", ".join(names)
    assert all(len(line) <= 40 for line in lines)
    assert all(len(f"{line} {after.split()[0]}") > 40 for line, after in pairwise(lines))


def test_command_for_wrong_docker_host_helps(said: dict[str, Any]) -> None:
    """DOCKER_HOST leads nowhere here: to start Docker on this machine would change nothing."""
    daemon = next(check for check in said["checks"] if check["what"] == "daemon")
    assert daemon["get"] == "unset DOCKER_HOST"


def test_kernel_lack_keeps_its_scenarios_from_running(tmp_path: Path) -> None:
    """`ip` stands for a kernel without VXLAN and macvlan: it refuses these two kinds, in iproute2's words."""
    real = shutil.which("ip")
    if os.geteuid() != 0 or real is None:
        pytest.skip("asks the kernel: needs root and iproute2")
    (tmp_path / "ip").write_text(
        '#!/bin/sh\ncase "$*" in *type\\ vxlan*|*type\\ macvlan*) '
        f"echo 'Error: Unknown device type.' >&2; exit 2;; esac\nexec {real} \"$@\"\n"
    )
    (tmp_path / "ip").chmod(0o755)
    found = json.loads(doctor("--format", "json", PATH=f"{tmp_path}:{os.environ['PATH']}"))
    plays = {play["scenario"]: play for play in found["scenarios"]}
    for name in library.files():
        needed = {"vxlan", "macvlan"} & set(library.kernel_needs(name))
        assert bool(needed) == (name.startswith(("overlay", "macvlan", "kubernetes")) or name == "flannel")
        if needed and not plays[name]["found"].startswith(("the lab lacks", "this machine lacks")):
            assert plays[name]["state"] in ("uml", "no")
            assert all(feature in plays[name]["found"] for feature in needed)
