"""When the way to a daemon behind ssh is open. In place of ssh there is a program that takes its time, as ssh may."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from capnet.record.remote import ssh_forward

# ssh -N -L LOCAL:REMOTE …: it binds the socket and listens a while later, as ssh does, by two calls.
_SSH = f"""#!{sys.executable}
import select, socket, sys
local = sys.argv[sys.argv.index("-L") + 1].partition(":")[0]
server = socket.socket(socket.AF_UNIX)
server.bind(local)
select.select([], [], [], 0.5)
server.listen()
server.accept()
select.select([], [], [])
"""


def test_forwarded_socket_is_given_when_ssh_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ssh").write_text(_SSH)
    (tmp_path / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with (
        ssh_forward.forwarded_socket(urlsplit("ssh://nobody@nowhere.invalid")) as local,
        socket.socket(socket.AF_UNIX) as caller,
    ):
        caller.connect(str(local))
