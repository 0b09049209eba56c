"""Tells when a container of containerd or CRI-O has started or ended, or CNI plugins have attached one.

Method: a shell on the host looks at the names of files every third of a second, and prints a line when they differ.
The files are those by which `bundles` lists containers: numbers of processes, and answers of CNI plugins.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

from capnet.record.remote.shell import Shell, start_tied_to_stdin, wait_or_kill

_END_WITHIN = 10.0  # seconds

# $1: file of the host's network namespace. The first line comes at once: something may have started since the survey.
_WATCH = """
network=$1; places=; last=
look() {
  for process in /proc/[0-9]*; do
    read -r name <"$process/comm" || continue
    case $name in containerd-shim*|conmon*) ;; *) continue ;; esac
    [ "$process/ns/net" -ef "$network" ] && [ -r "$process/cwd/config.json" ] || continue
    for other in $places; do [ "$other/cwd/../.." -ef "$process/cwd/../.." ] && continue 2; done
    places="$places $process"
  done
}
while :; do
  for process in $places; do [ -r "$process/cwd/config.json" ] || { places=; break; }; done
  [ -n "$places" ] || look
  set --
  for process in $places; do
    set -- "$@" "$process"/cwd/../../*/*/init.pid "$process"/cwd/../../*/*/pidfile
    set -- "$@" "$process"/root/var/lib/cni/results/*
  done
  [ "$*" = "$last" ] || { last=$*; echo changed; }
  sleep 0.3 || sleep 1
done 2>/dev/null
"""


class BundleChanges:
    """A line for each change, until it is closed or the host is not reached any more."""

    def __init__(self, shell: Shell) -> None:
        words = ["sh", "-c", _WATCH, "sh", shell.host_netns]
        self._process = start_tied_to_stdin(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, through=shell)

    def __iter__(self) -> Iterator[bytes]:
        assert self._process.stdout is not None
        yield from self._process.stdout

    def close(self) -> None:
        """Ends it, and with it the iteration."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        wait_or_kill(self._process, _END_WITHIN)
