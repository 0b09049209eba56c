"""The stored captures that come with capnet: in pcaps/ of a checkout, in capnet/captures of an installed wheel.

The wheel has those of `SHIPPED`; pyproject.toml lists the same files.
"""

from __future__ import annotations

from pathlib import Path

import capnet
from capnet.errors import EnvironmentLacks

SHIPPED = (
    "none", "host", "bridge", "container", "overlay", "macvlan", "ipvlan-l2", "ipvlan-l3",
    "faults/published-port-blocked",
)  # fmt: skip

_PACKAGE = Path(capnet.__file__).parent
_FOLDERS = (_PACKAGE / "captures", _PACKAGE.parent / "pcaps")


def stored(name: str) -> Path:
    """The capture of a scenario, or of `faults/NAME`. EnvironmentLacks if this installation does not have it."""
    for folder in _FOLDERS:
        if (path := folder / f"{name}.pcapng").is_file():
            return path
    raise EnvironmentLacks(f"{name}.pcapng did not come with this capnet: install the wheel again, or use a checkout")


def shown(path: Path) -> str:
    """The path as a command in this folder would name it."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
