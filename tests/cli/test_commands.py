"""Names of commands that are misspelt, files without a command, and completion by a shell."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from capnet.cli import cli
from capnet.errors import UsageError

ROOT = Path(__file__).resolve().parents[2]
BRIDGE = "pcaps/bridge.pcapng"


def capnet(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "capnet", *words], capture_output=True, text=True, cwd=ROOT, timeout=60, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("given", "meant"), [("analyse", "analyze"), ("docter", "doctor"), ("scenrio", "scenario"), ("explian", "explain")]
)
def test_misspelt_command_names_the_one_meant(given, meant):
    done = capnet(given, "x.pcap")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"capnet: there is no command {given!r}, nor a file: did you mean {meant}?\n"


def test_unknown_command_names_the_help():
    assert capnet("xyzzy").stderr.endswith("nor a file: `capnet --help` lists them\n")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["scenario", "brigde"], "there is no scenario 'brigde': did you mean bridge or cni-bridge?"),
        (["scenario", "routing-loop"], "there is no scenario 'routing-loop': did you mean fault routing-loop?"),
        (["scenario", "xyzzy"], "`capnet scenario list` lists them"),
        (["scenario", "fault", "rooting-loop"], "there is no fault 'rooting-loop': did you mean routing-loop?"),
        (["scenario", "fault", "dnat-to-dead-backend"], "did you mean dead-backend"),
        (["scenario", "fault", "xyzzy"], "`capnet scenario fault list` lists them"),
    ],
)
def test_misspelt_scenario_names_the_one_meant(given, says):
    error = CliRunner().invoke(cli, given).exception
    assert isinstance(error, UsageError) and says in str(error)


@pytest.mark.parametrize("words", [[BRIDGE], ["-r", BRIDGE], ["analyze", "-r", BRIDGE]])
def test_file_without_a_command_is_analyzed(words):
    done = capnet(*words)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == capnet("analyze", BRIDGE).stdout


def test_trace_reads_a_file_by_option():
    assert capnet("trace", "-r", BRIDGE, "--most", "1").stdout == capnet("trace", BRIDGE, "--most", "1").stdout


@pytest.mark.parametrize(
    ("words", "incomplete", "offered"),
    [
        ([], "ana", {"analyze"}),
        (["explain"], "mtu-b", {"mtu-blackhole"}),
        (["learn"], "ipv", {"ipvlan-l2", "ipvlan-l3"}),
        (["trace", BRIDGE, "--container"], "w", {"web"}),
        (["trace", BRIDGE, "--point"], "A/docker", {"A/docker0"}),
        (["analyze"], "pca", {"pca"}),
    ],
)
def test_shell_completes_what_there_is(monkeypatch, words, incomplete, offered):
    """A file is left to the shell: the item says so by its type."""
    monkeypatch.chdir(ROOT)
    items = ShellComplete(cli, {}, "capnet", "_CAPNET_COMPLETE").get_completions(words, incomplete)
    assert {item.value for item in items} == offered
    assert {item.type for item in items} == {"file" if words == ["analyze"] else "plain"}


@pytest.mark.parametrize(
    ("shell", "arguments", "script"),
    [
        ("zsh", ["-f"], 'eval "$(python -m capnet completion zsh)"; print $_comps[capnet]'),
        ("fish", ["-N"], "python -m capnet completion fish | source; complete --do-complete 'capnet exp'"),
    ],
)
def test_completion_works_in_a_shell_without_settings(shell, arguments, script, tmp_path):
    """zsh loads its completion, and a description with a comma is whole in fish."""
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed: apt-get install {shell}")
    program = tmp_path / "capnet"
    program.write_text(f"#!{sys.executable}\nfrom capnet.cli import main\nmain()\n")
    program.chmod(0o755)
    path = f"{tmp_path}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        [shell, *arguments, "-c", script], capture_output=True, text=True, cwd=ROOT, timeout=60, check=False,
        env={**os.environ, "HOME": str(tmp_path), "PYTHONPATH": str(ROOT), "PATH": path},
    )  # fmt: skip
    expected = {"zsh": "_capnet_completion", "fish": "Frames, flows or facts as Parquet, CSV, JSON lines or Arrow"}
    assert expected[shell] in done.stdout, done.stderr


def test_completion_script_is_printed_for_each_shell():
    for shell in ("bash", "zsh", "fish"):
        done = capnet("completion", shell)
        assert done.returncode == 0 and "_CAPNET_COMPLETE" in done.stdout
    if shutil.which("bash"):
        script = capnet("completion", "bash").stdout
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)
