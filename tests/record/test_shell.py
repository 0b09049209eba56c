"""Programs on this machine: where they are looked for, and what is said where one cannot be run."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from capnet.errors import EnvironmentLacks
from capnet.record.remote import shell
from capnet.record.remote.shell import NamespaceGone, Shell


@pytest.fixture(autouse=True)
def as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here needs to be root; it is only not to be asked of sudo."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)


def test_missing_program_is_named() -> None:
    with pytest.raises(EnvironmentLacks, match=r"no-such-program cannot be run \(No such file or directory\); install"):
        Shell("self").run(["no-such-program"])


def test_forbidden_program_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same answer, EACCES, as for all programs where PATH begins with a folder that is closed to us."""
    (tmp_path / "dumpcap").touch()
    monkeypatch.setenv("PATH", str(tmp_path))
    for run in (
        lambda: Shell("self").run(["dumpcap", "--version"]),
        lambda: shell.start_tied_to_stdin([], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL),  # which needs sh
    ):
        with pytest.raises(EnvironmentLacks, match="cannot be run"):
            run()


def test_user_without_sudo_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sudo").touch()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(EnvironmentLacks, match=r"needs root, .* run capnet as root"):
        Shell("self").run(["true"])


def test_program_that_cannot_be_killed_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """As behind sudo, whose processes are root's: what does not answer is told in time, and not waited for."""

    def refuse(process: subprocess.Popen[str]) -> None:
        killed.append(process)
        raise PermissionError

    killed: list[subprocess.Popen[str]] = []
    with monkeypatch.context() as patched:
        patched.setattr(subprocess.Popen, "kill", refuse)
        with pytest.raises(EnvironmentLacks, match=r"^no answer after 0 s: sleep 60$"):
            Shell("self").run(["sleep", "60"], timeout=0.1)
    (left,) = killed
    assert left.poll() is None
    assert not shell.wait_or_kill(left, 0) and left.poll() is not None


def test_namespace_of_an_ended_process_is_gone() -> None:
    """nsenter itself says so; the number is above any that Linux gives to a process (PID_MAX_LIMIT)."""
    netns = f"/proc/{1 << 22}/ns/net"
    with pytest.raises(NamespaceGone, match=r"^the container has ended$"):
        Shell("self").run(["true"], netns=netns)
    with pytest.raises(NamespaceGone, match=r"^the Docker daemon has ended$"):
        Shell(str(1 << 22)).run(["true"], netns=netns)


def test_path_without_sbin_is_extended(monkeypatch: pytest.MonkeyPatch) -> None:
    """A root shell made by `su` has a PATH without them, and they have conntrack, iptables, dockerd."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    found = Shell("self").run(["sh", "-c", "echo $PATH"]).strip().split(":")
    assert found[:2] == ["/usr/bin", "/bin"]
    assert {"/usr/sbin", "/sbin"} <= set(found)


def test_empty_path_is_not_the_current_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert "" not in shell.search_path().split(":")


@pytest.mark.parametrize("ssh", [(), ("sh", "-c")], ids=["here", "through a shell"])
def test_clock_of_machine_is_between_two_looks(ssh: tuple[str, ...]) -> None:
    """The other machine is this one: `sh -c` takes the words that ssh would."""
    before = time.time_ns()
    clock_ns = Shell("self", ssh).clock_ns()
    assert clock_ns is not None and before <= clock_ns <= time.time_ns()


def test_clock_without_nanoseconds_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """busybox's `date` may print %N as it is."""
    date = tmp_path / "date"
    date.write_text("#!/bin/sh\necho 1700000000%N\n")
    date.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert Shell("self", ("sh", "-c")).clock_ns() is None
