"""Machine code goes into memory without LLVM, and what is not understood is left to it."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from capnet.jit import elf_loader
from capnet.jit.kernel import Kernel, Machine
from capnet.jit.store import SHIPPED, platform
from tests import machine_code
from tests.conftest import PROJECT
from tests.wire.as_users_run import environment
from tests.wire.total import total

pytestmark = pytest.mark.skipif(platform() != "x86_64-linux", reason=f"{platform()}: LLVM loads its machine code")

KERNELS = machine_code.kernels()
NAMES = [kernel.store.name for kernel in KERNELS]
DECODER = next(kernel for kernel in KERNELS if kernel.store.name == "wire.decode.decode")

RUN = """
import sys
from pathlib import Path
from capnet import analyze
analyze(sys.argv[1], compiled=True)
print("llvmlite" in Path("/proc/self/maps").read_text())
"""


def permissions(address: int) -> str:
    """Of the page at an address: `r-xp`."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, mode, *_ = line.split()
        start, end = (int(part, 16) for part in span.split("-"))
        if start <= address < end:
            return mode
    raise AssertionError(f"nothing is at {address:#x}")


@pytest.mark.parametrize("kernel", KERNELS, ids=NAMES)
def test_elf_loader_loads_what_comes_with_capnet(kernel: Kernel[Any]) -> None:
    store = kernel.store
    address = elf_loader.load(store.read(), store.name)
    assert permissions(address) == "r-xp"


def test_analysis_needs_no_llvm() -> None:
    command = [sys.executable, "-c", RUN, str(PROJECT / "pcaps" / "bridge.pcapng")]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize("length", [0, 3, 63, 64, 1000, -1, -64, -1000])
def test_elf_loader_refuses_a_cut_file(length: int) -> None:
    code = DECODER.store.read()
    with pytest.raises(elf_loader.UnknownFormat):
        elf_loader.load(code[:length], DECODER.store.name)


def test_elf_loader_refuses_what_it_does_not_know() -> None:
    """Another processor, a name that the file does not have, a function of another library."""
    name = DECODER.store.name
    other = (SHIPPED / "aarch64-linux" / f"{name}.o").read_bytes().partition(b"\n")[2]
    code = DECODER.store.read()
    with pytest.raises(elf_loader.UnknownFormat):
        elf_loader.load(other, name)
    with pytest.raises(elf_loader.UnknownFormat):
        elf_loader.load(code, "wire.decode.nothing")
    caller = next(kernel.store for kernel in KERNELS if b"memset\0" in kernel.store.read())
    with pytest.raises(elf_loader.UnknownFormat, match="memsex"):
        elf_loader.load(caller.read().replace(b"memset\0", b"memsex\0"), caller.name)


def test_elf_loader_survives_damage_of_the_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """With any octet of the header, of names or of tables changed, a file is loaded or refused."""
    monkeypatch.setattr(elf_loader, "loaded", [])
    code, drawn = DECODER.store.read(), random.Random(1)
    tables = len(code) - 4500  # behind code and constants
    refused = 0
    for _ in range(500):
        damaged = bytearray(code)
        at = drawn.choice([drawn.randrange(64), drawn.randrange(tables, len(code))])
        damaged[at] = drawn.randrange(256)
        try:
            elf_loader.load(bytes(damaged), DECODER.store.name)
        except elf_loader.UnknownFormat:
            refused += 1
    assert 50 < refused < 450


def test_llvm_loads_what_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(code: bytes, symbol: str) -> int:
        raise elf_loader.UnknownFormat("another processor")

    monkeypatch.setattr(elf_loader, "load", refuse)
    machine = Machine(compiled=True)
    assert machine.run(Kernel(total.interpreted))(machine.view(np.array([1, 20, 300])), 3) == 321
