"""capnet: what a container network does to a packet.

The names below are the library's public face; they are loaded on first use, because
`capnet --help` must not wait for numpy.
"""

from typing import TYPE_CHECKING

__version__ = "0.1.0"

__all__ = ["Report", "Topology", "__version__", "analyze", "open_capture"]

if TYPE_CHECKING:
    from capnet.analyze.engine import analyze
    from capnet.analyze.facts import Report
    from capnet.topology import Topology
    from capnet.wire.capture import open_capture

_HOMES = {
    "Report": "capnet.analyze.facts",
    "Topology": "capnet.topology",
    "open_capture": "capnet.wire.capture",
}


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name == "analyze":
        return import_module("capnet.analyze")  # a package that can be called
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'capnet' has no attribute {name!r}")
