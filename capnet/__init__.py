"""capnet: what a container network does to a packet.

    report = capnet.analyze("bridge.pcapng")                    # a Report: models, nat, tunnels, paths, findings …
    report = capnet.analyze(["docker0.pcap", "ens33.pcap"])     # one capture made at two points
    report = capnet.analyze(capnet.Source(Path("one.pcap"), "A/ens33"))         # a file, and the name of its point
    report = capnet.analyze("bridge.pcapng", capnet.Topology.load("bridge.topology.json"))

    for finding in report.findings:                             # lists of small dataclasses
        print(finding.level, finding.name, finding.says, finding.evidence)
    report.to_dict(); report.to_json()                          # the JSON contract, see docs/report.md
    print(capnet.render(report, "table"))                       # or "json", "html", …

    report.nat.to_pandas()                                      # nat, tunnels, stations, paths, findings, points
    report.nat.columns                                          # the columns of that table, see docs/export.md

    tables = capnet.tables("bridge.pcapng")                     # frames, flows, conversations, nat, …: all rows of each
    tables["flows"].to_pandas()                                 # a Table, as below; list(tables) names them

    with capnet.open_capture("bridge.pcapng") as capture:       # the frames themselves, decoded
        for block in capture.blocks():                          # block["ttl"]: a numpy array, a value per frame
            block.columns, block.text("src")                    # what there is, see docs/rows.md; addresses as text

    with capnet.open_capture("bridge.pcapng") as capture:       # the same as a table of typed columns, for others:
        frames = capture.frames()                               # pyarrow.table(frames), polars.DataFrame(frames),
        frames.to_pandas()                                      # duckdb.sql("from frames"), or row by row

Times are ns since 1970 UTC, delays are microseconds, frame numbers are those of Wireshark. A file that cannot be read
raises `capnet.errors.UnreadableInput`. Damage inside a file is a problem in the report, and frames before it are read.
What is not named here, or listed under the classes and functions below, may change. docs/python.md has all of it.
"""

# The names below are loaded on first use, because `capnet --help` must not wait for numpy.

from typing import TYPE_CHECKING

__version__ = "0.1.0"

__all__ = [
    "Finding",
    "Report",
    "Source",
    "Topology",
    "__version__",
    "analyze",
    "errors",
    "open_capture",
    "render",
    "tables",
]

if TYPE_CHECKING:
    from capnet import errors
    from capnet.analysis.core.contract.report import Report
    from capnet.analysis.core.results import Finding
    from capnet.analysis.core.sources import Source
    from capnet.analysis.engine import analyze
    from capnet.analysis.tables.library import tables
    from capnet.report.formats import render
    from capnet.topology import Topology
    from capnet.wire.capture import open_capture

_HOMES = {
    "Finding": "capnet.analysis.core.results",
    "Report": "capnet.analysis.core.contract.report",
    "Source": "capnet.analysis.core.sources",
    "Topology": "capnet.topology",
    "analyze": "capnet.analysis.engine",
    "open_capture": "capnet.wire.capture",
    "render": "capnet.report.formats",
    "tables": "capnet.analysis.tables.library",
}


def __dir__() -> list[str]:
    """The public names, loaded or not, for completion: none of the modules that happen to be loaded."""
    return [*__all__, "__all__", "__doc__", "__file__", "__name__", "__path__"]


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name == "errors":
        return import_module("capnet.errors")
    raise AttributeError(f"module 'capnet' has no attribute {name!r}")
