"""Machine code that comes with capnet: it is of the sources as they are, and is used without a compiler.

After a change of a kernel: python -m tests.machine_code
"""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from capnet.jit.kernel import Kernel
from capnet.jit.store import SHIPPED, Store, platform
from tests import machine_code
from tests.conftest import PROJECT
from tests.wire.as_users_run import environment

KERNELS = machine_code.kernels()
NAMES = [kernel.store.name for kernel in KERNELS]
MADE_WITH = machine_code.VERSION.read_text().strip()
CAPTURE = PROJECT / "pcaps" / "bridge.pcapng"

RUN = """
import sys
from capnet import analyze
from capnet.jit import notices
notices.listener = print
reports = [analyze(sys.argv[1], compiled=compiled).to_json() for compiled in (True, False)]
print(reports[0] == reports[1], "numba" in sys.modules)
"""


@pytest.mark.parametrize("kernel", KERNELS, ids=NAMES)
def test_machine_code_is_of_the_sources(kernel: Kernel[Any]) -> None:
    assert machine_code.is_current(kernel), "run: python -m tests.machine_code"


def test_machine_code_belongs_to_kernels() -> None:
    """Nothing lies there that no kernel has; names are told apart."""
    assert len(set(NAMES)) == len(NAMES) > 10
    expected = {f"{folder}/{name}.o" for folder in machine_code.TRIPLES for name in NAMES}
    assert {str(path.relative_to(SHIPPED)) for path in SHIPPED.glob("*/*")} == expected


@pytest.mark.by_turns("capnet/jit/*.py", "capnet/jit/machine_code/llvmlite.txt", "tests/machine_code.py")
@pytest.mark.skipif(
    version("llvmlite") != MADE_WITH, reason=f"machine code was made with llvmlite {MADE_WITH}; others write other code"
)
@pytest.mark.parametrize("kernel", KERNELS, ids=NAMES)
def test_machine_code_made_again_is_the_same(kernel: Kernel[Any]) -> None:
    """Whoever doubts the files can make them from the sources."""
    for file, content in machine_code.files(kernel).items():
        assert file.read_bytes() == content


@pytest.mark.skipif(platform() not in machine_code.TRIPLES, reason=f"no machine code comes for {platform()}")
def test_machine_code_runs_without_compiler_or_cache(tmp_path: Path) -> None:
    command = [sys.executable, "-c", RUN, str(CAPTURE)]
    cache_home = environment(XDG_CACHE_HOME=str(tmp_path / "cache"))
    done = subprocess.run(command, env=cache_home, capture_output=True, text=True, check=True)
    assert done.stdout == "True False\n"
    assert not (tmp_path / "cache").exists()


def test_machine_code_of_other_sources_is_not_used() -> None:
    store = KERNELS[0].store
    other = Store(store.name, "0" * 16)
    assert not other.is_kept()
    assert other.shipped == store.shipped
