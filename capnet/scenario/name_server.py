"""A name server that knows no name, on a host's port 53: busybox has none."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack

from capnet.record.remote.shell import Shell
from capnet.scenario.undo import end_program


def serve(shell: Shell, address: str, undo: ExitStack) -> None:
    """Answers NXDOMAIN at an address of the host, until `undo`; returns when it does.

    It is Python in the host's network namespace. If the port is taken, the program that has it answers instead.
    A capture container has no Python: queries get no answer there.
    """
    if shell.container:
        return
    python = sys.executable if shell.is_direct else "python3"
    server = shell.start(
        [python, "-c", _PROGRAM, address], netns=shell.host_netns, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    undo.callback(end_program, server)
    assert server.stdout is not None
    server.stdout.readline()  # it says that it is ready, or that it gave up


_PROGRAM = """
import socket, sys
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
try:
    server.bind((sys.argv[1], 53))
except OSError:
    print("taken", flush=True)
else:
    print("ready", flush=True)
    while True:
        query, client = server.recvfrom(2000)
        server.sendto(query[:2] + bytes([query[2] | 0x80, 0x83]) + query[4:], client)  # a response: NXDOMAIN
"""
