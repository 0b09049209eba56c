"""The process that keeps User-Mode Linux: starts it, and passes messages between its serial line and the clients.

    supervisor FOLDER -- COMMAND...     COMMAND finds the line at file descriptor 9

It ends when the kernel ends, and the kernel when it ends (setpriv --pdeathsig in the command).
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from capnet.lab.uml.protocol import ROOM, Message, encode, messages

CONTROL = "control"  # the socket in the lab's folder; it is there when the agent is ready
CONSOLE = "console.log"

_LINE = 9
_PRIORITY = -10  # nice(2): about nine tenths of a processor, beside one other that never rests


def main(folder: str, command: list[str]) -> int:
    """Runs the kernel and serves its clients; returns the kernel's exit code."""
    supervisor_end, kernel_end = socket.socketpair()
    os.dup2(kernel_end.fileno(), _LINE)
    kernel_end.close()
    with suppress(OSError):
        os.nice(_PRIORITY)
    console = (Path(folder) / CONSOLE).open("ab")
    kernel = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=console, stderr=console, pass_fds=(_LINE,), close_fds=True
    )
    os.close(_LINE)
    threading.Thread(target=_put_first, args=(kernel,), daemon=True).start()
    SessionSwitch(supervisor_end, Path(folder) / CONTROL).serve()
    return kernel.wait()


def _put_first(launcher: subprocess.Popen[bytes]) -> None:
    """Lets the kernel that `launcher` (unshare) starts have its processor before others who want it.

    Docker's own time limits, such as 20 s for attaching a container to a swarm's network, know no slow machine. The
    kernel begins a session of its own, and where sessions share processors as groups, nice(2) alone counts only
    within one (sched(7), autogroup).
    """
    children = Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children")
    with suppress(OSError):  # a machine without such groups, or the kernel has ended
        while launcher.poll() is None:
            for kernel in children.read_text().split():
                if os.getsid(int(kernel)) == int(kernel):
                    Path(f"/proc/{kernel}/autogroup").write_text(str(_PRIORITY))
                    return
            time.sleep(0.02)  # nothing tells of another process's setsid(2)


class SessionSwitch:
    """Gives each client a session number and passes on what it says, both ways."""

    def __init__(self, line: socket.socket, path: Path) -> None:
        self._line = line
        self._path = path
        self._room = ROOM
        self._heard = threading.Condition()
        self._sending = threading.Lock()
        self._clients: dict[int, socket.socket] = {}

    def serve(self) -> None:
        """Returns when the line is closed: the kernel has ended."""
        with self._line.makefile("rb") as stream:
            for message in messages(stream):
                if "heard" in message:
                    with self._heard:
                        self._room += message["heard"]
                        self._heard.notify()
                elif message.get("ready"):
                    self._open()
                elif client := self._clients.get(message.pop("session", -1)):
                    with suppress(OSError):  # it has just left
                        client.sendall(encode(message))

    def _open(self) -> None:
        """Makes the socket under another name first, so that it is there only when it can be connected to."""
        server = socket.socket(socket.AF_UNIX)
        unfinished = self._path.with_suffix(".new")
        server.bind(os.fspath(unfinished))
        unfinished.chmod(0o600)
        server.listen()
        unfinished.rename(self._path)
        threading.Thread(target=self._accept, args=(server,), daemon=True).start()

    def _accept(self, server: socket.socket) -> None:
        number = 0
        while True:
            client, _ = server.accept()
            # Room for all the chunks that may be under way, so that a slow client does not block the others.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
            number += 1
            self._clients[number] = client
            threading.Thread(target=self._listen, args=(number, client), daemon=True).start()

    def _listen(self, number: int, client: socket.socket) -> None:
        with suppress(OSError), client.makefile("rb") as stream:
            for message in messages(stream):
                self._tell(message | {"session": number})
        self._tell({"gone": True, "session": number})
        del self._clients[number]
        client.close()

    def _tell(self, message: Message) -> None:
        rest = encode(message)
        with self._sending, suppress(OSError):  # the kernel has ended
            while rest:
                with self._heard:
                    self._heard.wait_for(lambda: self._room > 0)
                    part, rest = rest[: self._room], rest[self._room :]
                    self._room -= len(part)
                self._line.sendall(part)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[3:]))
