"""CNI plugins as `scenario.pods.cni` drives them: by programs of ours that note what they are given.

Truth: the CNI specification 0.4.0, sections "Network Configuration List" and "Parameters".
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from capnet.errors import EnvironmentLacks, ScenarioFailed
from capnet.scenario.docker.host_programs import HostPrograms
from capnet.scenario.pods import cni

NOTES = """#!/bin/sh
{ echo "$CNI_COMMAND $CNI_CONTAINERID $CNI_NETNS $CNI_IFNAME"; cat; echo; } >>NOTES
echo '{"cniVersion": "0.4.0", "ips": [{"address": "10.1.0.2/24"}], "by": "@NAME@"}'
"""
REFUSES = """#!/bin/sh
echo '{"code": 11, "msg": "no addresses left"}'; exit 1
"""
PLUGINS = [{"type": "first", "mtu": 1400}, {"type": "second"}]


class Here(HostPrograms):
    """Runs the scripts on this machine: what they say is what a host's shell would do."""

    def __init__(self) -> None:
        super().__init__(lambda script: self.attempt(script)[1], self.attempt)

    def attempt(self, script: str) -> tuple[int, str]:
        done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, timeout=30)
        return done.returncode, done.stdout


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(cni, "FOLDERS", ("/nowhere", str(tmp_path)))
    return tmp_path


def program(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text.replace("NOTES", str(folder / "notes")).replace("@NAME@", name))
    (folder / name).chmod(0o755)


def notes(folder: Path) -> list[tuple[str, dict[str, object]]]:
    lines = (folder / "notes").read_text().splitlines()
    return [(lines[at], json.loads(lines[at + 1])) for at in range(0, len(lines), 2)]


def test_second_plugin_gets_the_result_of_the_first(folder: Path) -> None:
    program(folder, "first", NOTES)
    program(folder, "second", NOTES)
    result = cni.Attachment("pods", PLUGINS, "run-web", "/proc/7/ns/net").add(Here(), "A")
    assert result["by"] == "second"
    (called, config), (_, other) = notes(folder)
    assert called == "ADD run-web /proc/7/ns/net eth0"
    assert config == {"cniVersion": "0.4.0", "name": "pods", "type": "first", "mtu": 1400}
    assert other["prevResult"]["by"] == "first"  # type: ignore[index]


def test_deletion_begins_with_the_last_plugin(folder: Path) -> None:
    program(folder, "first", NOTES)
    program(folder, "second", NOTES)
    Here().attempt(cni.Attachment("pods", PLUGINS, "run-web", "/proc/7/ns/net").deletion())
    assert [(called.split()[0], config["type"]) for called, config in notes(folder)] == [
        ("DEL", "second"),
        ("DEL", "first"),
    ]


def test_missing_plugin_is_named_with_its_package(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where another program has its name, as iproute2's `bridge` has."""
    (folder / "elsewhere").mkdir()
    program(folder / "elsewhere", "first", NOTES)
    monkeypatch.setenv("PATH", f"{folder / 'elsewhere'}:{os.environ['PATH']}")
    with pytest.raises(EnvironmentLacks, match=r"host A has no CNI plugin first in .*: install containernetworking"):
        cni.Attachment("pods", PLUGINS, "run-web", "/proc/7/ns/net").add(Here(), "A")


def test_refusal_is_told_in_the_words_of_the_plugin(folder: Path) -> None:
    program(folder, "first", REFUSES)
    with pytest.raises(ScenarioFailed, match="A: CNI plugin first: no addresses left"):
        cni.Attachment("pods", PLUGINS, "run-web", "/proc/7/ns/net").add(Here(), "A")
