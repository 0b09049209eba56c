"""capnet: what a container network does to a packet.

    report = capnet.analyze("bridge.pcapng")                    # a Report: models, nat, tunnels, paths, findings …
    report = capnet.analyze(["docker0.pcap", "ens33.pcap"])     # one capture heard at two points
    report = capnet.analyze("bridge.pcapng", capnet.Topology.load("bridge.topology.json"))

    with capnet.open_capture("bridge.pcapng") as capture:       # the frames themselves, decoded
        for block in capture.blocks():                          # block["ttl"]: a numpy array, a value per frame
            ...

Times are ns since 1970 UTC, delays microseconds, frame numbers those of Wireshark. What cannot be read raises
`capnet.errors.UnreadableInput`; damage inside a file is a problem in the report, and what is before it is read.
"""

# The names below are loaded on first use, because `capnet --help` must not wait for numpy.

from typing import TYPE_CHECKING

__version__ = "0.1.0"

__all__ = ["Report", "Topology", "__version__", "analyze", "open_capture"]

if TYPE_CHECKING:
    from capnet.analysis.core.contract.report import Report
    from capnet.analysis.engine import analyze
    from capnet.topology import Topology
    from capnet.wire.capture import open_capture

_HOMES = {
    "analyze": "capnet.analysis.engine",
    "Report": "capnet.analysis.core.contract.report",
    "Topology": "capnet.topology",
    "open_capture": "capnet.wire.capture",
}


def __dir__() -> list[str]:
    """The public names too, loaded or not: for help() and completion."""
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'capnet' has no attribute {name!r}")
