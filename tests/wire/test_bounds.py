"""NUMBA_BOUNDSCHECK=1 checks every index of a kernel, which other runs of the tests rely on."""

from __future__ import annotations

import os
import subprocess
import sys

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
