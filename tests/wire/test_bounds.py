"""NUMBA_BOUNDSCHECK=1 checks every index of a kernel, which other runs of the tests rely on."""

from __future__ import annotations

import os
import re
import subprocess
import sys

from tests.conftest import PROJECT

SCRIPT = """
import numpy as np
from capnet.wire.formats import pcap_walk
from capnet.jit.kernel import Machine

machine = Machine(compiled=True)
records, out = machine.view(np.zeros(70, dtype=np.int64)), machine.view(np.zeros(5, dtype=np.int64))
file = bytearray(20)  # the call claims 400
machine.run(pcap_walk.walk)(machine.bytes(file), 0, 400, 0, 1, 16, 1, 0, records, 10, out)
"""


def test_kernel_index_beyond_end_raises() -> None:
    """A pcap walker that is told a false end of the buffer: compiled without the switch, it would read on silently."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, "NUMBA_BOUNDSCHECK": "1"}, capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.decode().splitlines()[-1].startswith("IndexError")


def test_files_that_compile_have_the_mark() -> None:
    """Those that name it; of others, the run of all that have it says which kernel did not run."""
    compiles = re.compile(r"\bcompiled=(True|compiled|is_compiled)\b|\bMachine\((compiled=)?(True|compiled)\)")
    files = {path: path.read_text(encoding="utf-8") for path in (PROJECT / "tests").rglob("test_*.py")}
    unmarked = {path.name for path, text in files.items() if compiles.search(text) and "mark.kernels" not in text}
    assert unmarked == {
        "test_compiled_code.py",  # small kernels of its own, and processes
        "test_elf_loader.py",  # machine code that comes with capnet is loaded
        "test_machine_code.py",  # it is made
        "test_streams.py",  # its parameter is never used: all is interpreted
    }
