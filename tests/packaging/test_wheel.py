"""The wheel, installed into an empty environment, does its work away from the checkout.

It downloads all dependencies, so it runs where CAPNET_WHEEL=1 asks for it: .ci/run does.
"""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from capnet import __version__
from tests.conftest import PROJECT

MAX_WHEEL_BYTES = 2_800_000  # 1,240 small files; a finding with its manual in two languages takes 4 kB, a fault 1 kB
MAX_INSTALLED_BYTES = 450_000_000  # docs/install.md says what they are

pytestmark = pytest.mark.skipif(
    os.environ.get("CAPNET_WHEEL") != "1", reason="it downloads the dependencies: CAPNET_WHEEL=1 runs it"
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), str(PROJECT)]
    subprocess.run(pip, check=True, timeout=300)
    (file,) = folder.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("empty")
    venv.create(folder, with_pip=True)
    subprocess.run([folder / "bin" / "pip", "install", "-q", str(wheel)], check=True, timeout=600)
    return folder


def run(environment: Path, *words: str, folder: Path) -> str:
    """Output of the installed program, called in another folder and without the checkout in its path."""
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        [environment / "bin" / "capnet", *words],
        cwd=folder, env=env, capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip
    return done.stdout


def test_wheel_is_small(wheel: Path) -> None:
    assert wheel.stat().st_size < MAX_WHEEL_BYTES


def test_installed_program_works(environment: Path, tmp_path: Path) -> None:
    assert run(environment, "--version", folder=tmp_path) == f"capnet, version {__version__}\n"
    assert "web (172.17.0.2)" in run(environment, "demo", folder=tmp_path)
    assert "3 of 3 right." in run(environment, "learn", "none", "--answers", "1,3,2", folder=tmp_path)
    assert "ipvlan-l3" in run(environment, "scenario", "list", folder=tmp_path)
    assert "published-port-blocked" in run(environment, "explain", folder=tmp_path)


def test_installed_captures_can_be_analyzed(environment: Path, tmp_path: Path) -> None:
    (capture,) = environment.glob("lib/python3*/site-packages/capnet/captures/overlay.pcapng")
    assert "VXLAN VNI 4097 (network vxlanA)" in run(environment, "analyze", str(capture), folder=tmp_path)


def test_man_pages_lie_beside_the_program(environment: Path) -> None:
    installed = {file.name for file in (environment / "share" / "man" / "man1").glob("capnet*")}
    assert installed == {file.name for file in (PROJECT / "docs" / "man").glob("*.1")}


def test_environment_is_as_small_as_the_page_says(environment: Path) -> None:
    (packages,) = environment.glob("lib/python3*/site-packages")
    size = sum(file.stat().st_size for file in packages.rglob("*") if file.is_file())
    assert size < MAX_INSTALLED_BYTES
