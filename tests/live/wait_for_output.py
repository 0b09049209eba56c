"""What a command says while it runs."""

from __future__ import annotations

import subprocess
from threading import Thread

import pytest


def wait_for_output(process: subprocess.Popen[str], words: str) -> str:
    """What it said before a line of its stderr with these words. The test fails, with all of it, if it ends before."""
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        if words in line:
            return "".join(said)
        said.append(line)
    pytest.fail(f"it never said {words!r}:\n{''.join(said)}")


def rest_of_output(process: subprocess.Popen[str], within: float) -> tuple[str, str]:
    """As `Popen.communicate`, but with what was read ahead of the line that was waited for: that reads past it."""
    texts = {"stdout": "", "stderr": ""}

    def read(name: str) -> None:
        if stream := getattr(process, name):
            texts[name] = stream.read()

    readers = [Thread(target=read, args=(name,), daemon=True) for name in texts]
    for reader in readers:
        reader.start()
    process.wait(within)
    for reader in readers:
        reader.join(within)
    return texts["stdout"], texts["stderr"]
