"""TCP ports on which programs listen, from the kernel's tables."""

from __future__ import annotations

from collections.abc import Iterator

from capnet.record.remote.shell import Shell

_LISTENS = "0A"  # TCP_LISTEN, include/net/tcp_states.h
_ASK = "cat /proc/net/tcp /proc/net/tcp6 2>/dev/null; true"  # a kernel without IPv6 has one of them


def listening_ports(shell: Shell, netns: str) -> set[int]:
    """TCP ports in state LISTEN in a network namespace (proc_pid_net(5))."""
    return set(_ports(shell.run(["sh", "-c", _ASK], netns=netns)))


def _ports(table: str) -> Iterator[int]:
    """Of lines `0: 816FA8C0:1F0A 00000000:0000 0A …`: number, local and remote address, state."""
    for line in table.splitlines():
        words = line.split()
        if len(words) > 3 and words[3] == _LISTENS:
            yield int(words[1].rpartition(":")[2], 16)
