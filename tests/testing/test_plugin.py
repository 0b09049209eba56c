"""The pytest plugin in test runs of its own."""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from capnet.pytest_plugin import file_name
from tests.conftest import PROJECT


def run_pytest(folder: Path, test: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run pytest on one file in `folder`, with this plugin and no other."""
    (folder / "test_inner.py").write_text(test)
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", "-p", "capnet.pytest_plugin", "-p", "no:cacheprovider", "-q", *options]
    return subprocess.run(
        [*command, "test_inner.py"], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the bridge capture."""
    for file in (PROJECT / "pcaps").glob("bridge.*"):
        shutil.copy(file, tmp_path)
    (tmp_path / "nothing.pcap").write_bytes(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
    return tmp_path


def test_stored_capture_is_asked(folder: Path) -> None:
    done = run_pytest(folder, """
def test_web(capnet_report):
    net = capnet_report("bridge.pcapng")
    assert net.flow("B", "A:8080").delivered
    assert net.findings == []
""")  # fmt: skip
    assert (done.returncode, "1 passed" in done.stdout) == (0, True), done.stdout


def test_failed_assertion_shows_the_flow(folder: Path) -> None:
    done = run_pytest(folder, """
def test_web(capnet_report):
    assert not capnet_report("bridge.pcapng").flow("B", "A:8080").delivered
""")  # fmt: skip
    assert done.returncode == 1
    assert "<flow B → A:8080: tcp B:37218 → A:8080: delivered (B/ens33 → A/ens33 → A/docker0" in done.stdout


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ('capnet_report("no.pcapng")', "UnreadableInput: "),
        ('capnet_report("bridge.pcapng").flow("B", "db:5432")', "NoSuchFlow: db is no address, and the capture names"),
        ('capnet_report("bridge.pcapng").flow("B", "A:99")', "NoSuchFlow: no flow B → A:99; there are "),
        ('capnet_report("bridge.pcapng").flow("bbox", "web:80").encrypted', "was not seen at points of two hosts"),
        ('capnet_report("nothing.pcap").findings', "CannotTell: "),
    ],
)  # fmt: skip
def test_error_points_at_the_line_of_the_test(folder: Path, asked: str, says: str) -> None:
    done = run_pytest(folder, f"def test_web(capnet_report):\n    {asked}\n", "--tb=short")
    places = [line for line in done.stdout.splitlines() if re.match(r"\S+\.py:\d+: in ", line)]
    assert places == ["test_inner.py:2: in test_web"], done.stdout
    assert "E   capnet." in done.stdout and says in done.stdout


def test_plugin_loads_nothing_before_it_is_needed(folder: Path) -> None:
    done = run_pytest(folder, """
import sys
def test_nothing():
    assert not {"numpy", "capnet.analysis", "docker", "scapy"} & set(sys.modules)
""")  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_capture_that_cannot_begin_says_why(folder: Path) -> None:
    done = run_pytest(folder, """
def test_web(capnet_capture):
    with capnet_capture("no-such-container", options=("--host", "A=unix:///nowhere.sock")) as net:
        pass
""")  # fmt: skip
    assert done.returncode == 1
    assert "CaptureFailed: capnet: " in done.stdout and "nowhere.sock" in done.stdout
    assert "contextlib.py" not in done.stdout  # the line of the test alone


def test_wheel_registers_the_plugin() -> None:
    """pytest finds it by this entry point."""
    text = (PROJECT / "pyproject.toml").read_text()
    assert '[project.entry-points.pytest11]\ncapnet = "capnet.pytest_plugin"\n' in text


def test_report_is_made_once_for_a_class_and_a_module(folder: Path) -> None:
    """Fixtures of any scope may ask, and several files may be a list."""
    done = run_pytest(folder, """
import pytest

@pytest.fixture(scope="module")
def net(capnet_report):
    return capnet_report(["bridge.pcapng"])

class TestWeb:
    @pytest.fixture(scope="class")
    def flow(self, net):
        return net.flow("B", "A:8080")

    @pytest.mark.parametrize("what", ["delivered", "translated", "client_address_kept"])
    def test_web(self, flow, what):
        assert getattr(flow, what)
""")  # fmt: skip
    assert (done.returncode, "3 passed" in done.stdout) == (0, True), done.stdout


def test_failed_comparison_of_findings_says_each(folder: Path) -> None:
    for file in (PROJECT / "pcaps" / "faults").glob("docker-user-drop.[pt]*"):
        shutil.copy(file, folder)
    done = run_pytest(folder, """
def test_web(capnet_report):
    assert capnet_report("docker-user-drop.pcapng").findings == []
""")  # fmt: skip
    assert done.returncode == 1
    lines = [line.removeprefix("E").strip() for line in done.stdout.splitlines()]
    begin = lines.index("AssertionError: assert 1 findings, expected 0")
    assert lines[begin + 1].startswith("error published-port-blocked: ")
    assert lines[begin + 2].startswith("to do: ")


def test_comparison_of_other_lists_is_that_of_pytest(folder: Path) -> None:
    done = run_pytest(folder, "def test_lists():\n    assert [1, 'a'] == []\n")
    assert "AssertionError: assert [1, 'a'] == []" in done.stdout
    assert "Left contains 2 more items" in done.stdout


def test_kept_captures_of_tests_have_names_of_their_own() -> None:
    tests = ["TestA-test_x", "TestB-test_x", "test_x[a/b]", "test_x[a-b]", "test_x[a b]", "test_" + 150 * "x" + "1"]
    tests.append("test_" + 150 * "x" + "2")
    names = [file_name(test) for test in tests]
    assert len(set(names)) == len(tests)
    assert names[0] == "TestA-test_x" and names[3] == "test_x-a-b"
    assert all(re.fullmatch(r"[\w.-]{1,120}", name) for name in names)
