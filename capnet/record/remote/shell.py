"""Commands on the machine where a Docker daemon runs: here, through ssh, or in a container of it. Always as root.

A `Shell` is how everything that is not Docker's API gets done: listing interfaces, entering network
namespaces, running capture programs.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shlex
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from capnet.errors import EnvironmentLacks

# Runs its arguments and ends them when stdin closes, or brings a line where a connection cannot be half closed.
# So the program stops when we say so, when we die without a word (kill -9), and when an ssh connection breaks:
# in all three cases stdin closes.
_UNTIL_STDIN_CLOSES = (
    "exec 3<&0 </dev/null; { read -r _ <&3; kill -TERM $$; } >/dev/null 2>&1 & exec 3<&-; "
    'exec "$@"'
)  # fmt: skip

# A root shell made by `su`, and a command run through ssh, may lack the administrator's folders.
ADMINISTRATORS = ("/usr/local/sbin", "/usr/sbin", "/sbin")

_WITH_FOLDERS = f'PATH="$PATH:{":".join(ADMINISTRATORS)}"; export PATH; exec "$@"'
_AS_ROOT = '[ "$(id -u)" = 0 ] || set -- sudo -n -- "$@"; ' + _WITH_FOLDERS

_BE_ROOT = "run capnet as root (sudo capnet …)"
_SUDO_WITHIN = 30.0  # seconds; through ssh, the connection included


class NamespaceGone(EnvironmentLacks):
    """A network namespace ended with the process that it is named by: a container's, or the daemon's."""


@dataclass(frozen=True)
class Shell:
    """`host` names in /proc a process in the host's own namespaces: the daemon, or `self` where ssh lands.

    `ssh` is the ssh command up to the remote machine's name. `container` are the words that run others in the capture
    container, `userns` those that enter the user namespace of a rootless daemon. `netns` is the file of the host's
    network where that process is not in it. All are empty where root is here.
    """

    host: str
    ssh: tuple[str, ...] = ()
    container: tuple[str, ...] = ()
    userns: tuple[str, ...] = ()
    netns: str = ""

    @property
    def is_direct(self) -> bool:
        """Whether its programs are processes of this machine, seen from here, with this machine's clock."""
        return not (self.ssh or self.container)

    @property
    def place(self) -> str:
        """Where its programs are, as messages end: ` on b`; empty for this machine."""
        return f" on {self.ssh[-1]}" if self.ssh else " in the capture image" if self.container else ""

    @property
    def host_netns(self) -> str:
        """The host's own network namespace, as a file."""
        return self.netns or f"/proc/{self.host}/ns/net"

    def host_path(self, path: str) -> str:
        """A path as the daemon sees it, which may be in a mount namespace of its own."""
        return f"/proc/{self.host}/root{path}"

    def argv(self, command: Sequence[str]) -> list[str]:
        """The words that run the command as root on the shell's machine."""
        if self.ssh:
            script = _WITH_FOLDERS if self.userns else _AS_ROOT
            return [*self.ssh, shlex.join(["sh", "-c", script, "sh", *self.userns, *command])]
        if self.container or self.userns:
            return [*self.container, *self.userns, *command]
        return list(command) if os.geteuid() == 0 else ["sudo", "-n", *command]

    def is_root(self) -> bool:
        """Whether its commands can be run as root, without a password."""
        try:
            self.run(["true"], timeout=_SUDO_WITHIN)
        except EnvironmentLacks:
            return False
        return True

    def may_enter(self, netns: str) -> bool:
        """Whether its commands can be run in this network namespace."""
        try:
            self.run(["true"], netns=netns, timeout=_SUDO_WITHIN)
        except EnvironmentLacks:
            return False
        return True

    def run(
        self, command: Sequence[str], *, netns: str | None = None, timeout: float = 30, title: str | None = None
    ) -> str:
        """Standard output of the command, run inside the network namespace if one is given.

        Raises EnvironmentLacks with the command, or its title, and the first line of its complaint; NamespaceGone.
        """
        if netns:
            command = in_netns(netns, command)
        try:
            done = _completed(self.argv(command), timeout)
        except OSError as error:
            raise cannot_run(error) from error
        except subprocess.TimeoutExpired as error:
            raise EnvironmentLacks(f"no answer after {timeout:.0f} s: {title or shlex.join(command)}") from error
        if done.returncode != 0:
            complaint = (done.stderr.strip() or f"exit status {done.returncode}").splitlines()[0]
            if complaint.startswith("sudo:"):
                complaint += f"; {_BE_ROOT}"
            if netns and complaint == f"nsenter: cannot open {netns}: {os.strerror(errno.ENOENT)}":
                owner = "the Docker daemon" if netns == self.host_netns else "the container"
                raise NamespaceGone(f"{owner} has ended")
            raise EnvironmentLacks(f"{title or shlex.join(command)}: {complaint}")
        return done.stdout

    def clock_ns(self) -> int | None:
        """The time of the shell's machine, in ns since 1970; None if its `date` knows no nanoseconds.

        Raises EnvironmentLacks.
        """
        if self.is_direct:
            return time.time_ns()
        digits = self.run(["date", "+%s%N"]).strip()
        return int(digits) if digits.isdecimal() and len(digits) > 18 else None

    def start(
        self, command: Sequence[str], *, netns: str, stdout: IO[bytes] | int, stderr: IO[bytes] | int
    ) -> subprocess.Popen[bytes]:
        """Starts a program inside a network namespace; closing its `stdin` stops it."""
        return start_tied_to_stdin(in_netns(netns, command), stdout=stdout, stderr=stderr, through=self)


def _completed(words: Sequence[str], timeout: float) -> subprocess.CompletedProcess[str]:
    """As `subprocess.run`, which waits without end for what it may not kill: programs behind sudo are root's."""
    process = subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env=program_environment(),
    )
    try:
        stdout, stderr = process.communicate(timeout=timeout)
    except BaseException:  # Ctrl-C too
        wait_or_kill(process, 0)
        for pipe in (process.stdout, process.stderr):
            assert pipe is not None
            pipe.close()
        raise
    return subprocess.CompletedProcess(words, process.returncode, stdout, stderr)


def wait_or_kill(process: subprocess.Popen[Any], within: float) -> bool:
    """Waits for a program that was told to end, and kills it after so many seconds. Whether it ended by itself.

    Behind sudo it is root's, and a user cannot kill it: then it is left alone.
    """
    try:
        process.wait(within)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(PermissionError):
            process.kill()
            process.wait()
        return False
    return True


def start_tied_to_stdin(
    command: Sequence[str], *, stdout: IO[bytes] | int, stderr: IO[bytes] | int, through: Shell | None = None
) -> subprocess.Popen[bytes]:
    """Starts a program that ends when its `stdin` is closed, also by the death of this process."""
    words = ["sh", "-c", _UNTIL_STDIN_CLOSES, "sh", *command]
    try:
        return subprocess.Popen(
            through.argv(words) if through else words,
            stdin=subprocess.PIPE,
            stdout=stdout,
            stderr=stderr,
            env=program_environment(),
            start_new_session=True,  # the terminal's Ctrl-C is for capnet, which stops programs in order
        )
    except OSError as error:
        raise cannot_run(error) from error


def search_path() -> str:
    """PATH, and the administrator's folders behind it."""
    return os.pathsep.join(filter(None, (os.environ.get("PATH", os.defpath), *ADMINISTRATORS)))


def program_environment() -> dict[str, str]:
    """That of programs we start: ours, with the administrator's folders in PATH."""
    return {**os.environ, "PATH": search_path()}


def cannot_run(error: OSError) -> EnvironmentLacks:
    """What to say of a program that is not there, or in folders that are closed to us."""
    program = Path(os.fsdecode(error.filename or "?")).name
    if program == "sudo":
        return EnvironmentLacks(f"this needs root, and sudo cannot be run ({error.strerror}); {_BE_ROOT}")
    return EnvironmentLacks(f"{program} cannot be run ({error.strerror}); install it, or look at PATH")


def in_netns(netns: str, command: Sequence[str]) -> list[str]:
    """The command, run inside the network namespace that is the file `netns`."""
    return ["nsenter", f"--net={netns}", "--", *command]
