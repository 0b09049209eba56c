"""The scenario files: found by name, described by their docstring, loaded when they are to run.

In a checkout they lie in scenarios/ beside the package, in an installed wheel in capnet/scenarios.
"""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import capnet
from capnet.errors import UsageError

_PACKAGE = Path(capnet.__file__).parent
CHECKOUT = _PACKAGE.parent / "scenarios"
FOLDERS = (_PACKAGE / "scenarios", CHECKOUT)


def checkout() -> Path:
    """The folder of a checkout to which scenarios are added. UsageError in an installed capnet."""
    if not CHECKOUT.is_dir():
        raise UsageError("a scenario is added to a checkout of capnet, in its folder scenarios")
    return CHECKOUT


def files(below: str = "") -> dict[str, Path]:
    """Scenario name → its file, sorted by name; those in a folder below, if one is named."""
    folder = next((folder for folder in FOLDERS if folder.is_dir()), None)
    paths = (folder / below).glob("[a-z]*.py") if folder else ()
    return {path.stem.replace("_", "-"): path for path in sorted(paths)}


def summary(path: Path) -> str:
    """First line of the file's docstring, read without running the file."""
    return docstring(path).partition("\n")[0]


def docstring(path: Path) -> str:
    """The file's docstring, read without running the file."""
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""


def second_host_missing(name: str) -> UsageError:
    """What to raise when a scenario has one host and needs two."""
    return UsageError(
        f"{name} needs a second Docker host: name it with --peer, or use --lab (two hosts on this machine)"
    )


def daemon_settings(name: str) -> dict[str, Any]:
    """Keys of daemon.json that the scenario needs to be other than Docker has them; only a lab can grant that."""
    return dict(getattr(load(name), "DAEMON", {}))


def load(name: str) -> ModuleType:
    """The scenario's module. UsageError, listing the known ones, if there is no such scenario."""
    paths = files()
    if name not in paths:
        raise UsageError(f"no scenario {name!r}; there are: {', '.join(paths)}")
    return load_file(paths[name])


def load_file(path: Path) -> ModuleType:
    """The module of a scenario file."""
    spec = importlib.util.spec_from_file_location(f"capnet_scenario_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def kernel_needs(name: str) -> tuple[str, ...]:
    """What the scenario needs of a kernel beside what every lab needs: names of `kernel_features.FEATURES`."""
    return tuple(getattr(load(name), "NEEDS_KERNEL", ()))
