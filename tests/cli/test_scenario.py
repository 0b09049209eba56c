"""`capnet scenario` and `capnet lab` before anything is made: lists, and what is refused. No Docker, no root needed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from capnet.cli.scenario_all import Rounds, ScenarioResult
from capnet.scenario import library
from tests.conftest import PROJECT


def capnet(*words: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "capnet", *map(str, words)],
        cwd=PROJECT,
        env={**os.environ, "DOCKER_HOST": "unix:///nowhere/docker.sock", **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "Traceback" not in done.stderr
    return done


def test_list_has_summaries_in_one_column() -> None:
    """Scenarios first, and faults under a heading of their own."""
    scenarios, _, faults = capnet("scenario", "list").stdout.partition("\nFaults: capnet scenario fault NAME\n")
    for listed, files in ((scenarios, library.files()), (faults, library.files("faults"))):
        widest = max(map(len, files))
        assert [line[:widest].strip() for line in listed.splitlines()] == list(files)
        assert {line[widest : widest + 2] for line in listed.splitlines()} == {"  "}


def test_lists_are_wrapped_to_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for words in (("scenario", "list"), ("scenario", "fault", "list")):
        lines = capnet(*words).stdout.splitlines()
        assert max(map(len, lines)) <= 80
        assert "packet-loss" in " ".join(lines)


@pytest.mark.parametrize("width", [60, 100])
def test_table_of_all_fits_the_terminal(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setattr("capnet.cli.output.terminal_columns", lambda: width)
    rounds = Rounds(2)
    rounds.outcomes = [
        ScenarioResult(
            "bridge-hairpin-noproxy", 0, "ok, 9 expectations", "bridge", 225, "snat 4 (2 ports), snat+dnat 3"
        ),
        ScenarioResult(
            "overlay-service", 1, "failed 2 of 9 expectations", "overlay", 314, "dnat 9", "vxlan 4096 4097 4098"
        ),
    ]
    lines = rounds.table().splitlines()
    assert max(map(len, lines)) <= max(width, 90)  # names, models and counts are not cut
    assert {line.split()[0] for line in lines if not line.startswith((" ", "-"))} == {
        "scenario", "bridge-hairpin-noproxy", "overlay-service",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["bridge", "--output", "/dev/null/x.pcapng"], "cannot write /dev/null/x.pcapng: Not a directory"),
        (["bridge", "--lab", "--output", "/dev/null"], "cannot write /dev/null/bridge.pcapng: Not a directory"),
        (["bridge", "--output", "x.pcap"], "call it x.pcapng"),
        (["overlay"], "needs a second Docker host"),
        (["none", "--kernel", "uml"], "--kernel is about the lab"),
    ],
)
def test_bad_options_are_refused_before_anything_else(words: list[str], said: str, tmp_path: Path) -> None:
    output = [] if "--output" in words else ["--output", tmp_path]
    done = capnet("scenario", *words, *output)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_lab_is_offered_only_where_a_command_takes_it(tmp_path: Path) -> None:
    advice = "start Docker, or name another host with --host"
    done = capnet("scenario", "none", "--output", tmp_path)
    assert done.returncode == 4 and done.stderr.endswith(f"{advice}; --lab brings its own hosts\n")
    in_chinese = capnet("--lang", "zh", "scenario", "none", "--output", tmp_path)
    assert in_chinese.stderr.endswith("请启动 Docker，或用 --host 指定其他主机；--lab 自带主机\n")
    for words in (["image", "build"], ["ps"], ["capture", "web", "-w", tmp_path / "web.pcapng"]):
        done = capnet(*words)
        assert done.returncode == 4 and advice in done.stderr and "--lab" not in done.stderr


def test_lab_in_an_unwritable_folder_is_refused() -> None:
    done = capnet("lab", "up", "--kernel", "native", CAPNET_LAB_DIR="/proc/nowhere")
    assert done.returncode in (2, 4)  # 4: this machine lacks something for a lab, which is said first
    assert done.stderr.startswith("capnet: ")
