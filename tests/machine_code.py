"""Makes the machine code that comes with capnet: python -m tests.machine_code

After a change of a kernel: it compiles those whose sources changed (`--all`: each) for every processor architecture,
into `capnet/jit/machine_code/`, and removes what no kernel has any more. The same sources give the same bytes with the
same version of LLVM, which a test makes sure of.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from capnet.jit.compiler import object_file, program
from capnet.jit.kernel import Kernel
from capnet.jit.store import SHIPPED, Store
from tests.conftest import PROJECT

TRIPLES = {"x86_64-linux": "x86_64-unknown-linux-gnu", "aarch64-linux": "aarch64-unknown-linux-gnu"}
VERSION = SHIPPED / "llvmlite.txt"  # the version of LLVM's binding that made it all


def kernels() -> list[Kernel[Any]]:
    """All kernels of capnet, in the order of their names."""
    return sorted(_kernels(), key=lambda kernel: kernel.store.name)


def _kernels() -> Iterator[Kernel[Any]]:
    for file in (PROJECT / "capnet").rglob("*.py"):
        if "@kernel\n" in file.read_text():
            module = import_module(".".join(file.relative_to(PROJECT).with_suffix("").parts))
            values = [value for value in vars(module).values() if isinstance(value, Kernel)]
            yield from (value for value in values if value.interpreted.__module__ == module.__name__)


def files(kernel: Kernel[Any]) -> dict[Path, bytes]:
    """The files of machine code of a kernel, and what they hold, made anew."""
    made = program(kernel.interpreted)
    store = kernel.store
    code = {folder: object_file(made, store.name, triple) for folder, triple in TRIPLES.items()}
    return {_file(folder, store): store.content(code[folder]) for folder in TRIPLES}


def is_current(kernel: Kernel[Any]) -> bool:
    """Whether there is machine code of the kernel's sources for each architecture."""
    store = kernel.store
    places = [_file(folder, store) for folder in TRIPLES]
    return all(place.exists() and place.read_bytes().startswith(store.key.encode()) for place in places)


def _file(folder: str, store: Store) -> Path:
    return SHIPPED / folder / f"{store.name}.o"


def main(everything: bool) -> None:
    """Write what is not current, remove what no kernel has."""
    wanted = kernels()
    everything |= not VERSION.exists() or VERSION.read_text().strip() != version("llvmlite")
    for kernel in wanted:
        if everything or not is_current(kernel):
            print(kernel.store.name)
            for file, content in files(kernel).items():
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
    VERSION.write_text(version("llvmlite") + "\n")
    kept = {_file(folder, kernel.store) for folder in TRIPLES for kernel in wanted}
    for file in set(SHIPPED.glob("*/*.o")) - kept:
        file.unlink()


if __name__ == "__main__":
    main("--all" in sys.argv[1:])
