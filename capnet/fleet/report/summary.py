"""What the record of a capture says of its report: enough for the merged report, which opens no report again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from capnet.analysis.core.contract.document import Document
from capnet.analysis.core.contract.keys import FILES_BESIDE
from capnet.fleet.job import Record
from capnet.report.comparison.baseline import finding_key
from capnet.report.comparison.identity import Identity

_GROUPS = ("multicast",)  # kinds of stations that are no host


def summary_of(document: Document, max_stations: int) -> Record:
    """Keys of the record: numbers, times, findings by what they are about, models, containers and stations."""
    inputs = document["inputs"]
    stations = [row for row in document["stations"] if row["kind"] not in _GROUPS]
    stations.sort(key=lambda row: (-row["packets"], row["mac"]))
    return {
        "packets": sum(each["packets"] for each in inputs),
        "flows": document["flows"]["count"],
        "nat": len(document["nat"]),
        "first": min(filter(None, (each["first"] for each in inputs)), default=None),
        "last": max(filter(None, (each["last"] for each in inputs)), default=None),
        "damage": [
            problem["says"] for each in inputs for problem in each["problems"] if problem["name"] not in FILES_BESIDE
        ],
        "points": [point["name"] for point in document["points"]],
        "hosts": _distinct(point["host"] for point in document["points"]),
        "models": [{"model": row["model"], "confidence": row["confidence"]} for row in document["models"]],
        "findings": list(_findings(document)),
        "containers": list(_containers(document)),
        "stations": [
            {"mac": row["mac"], "kind": row["kind"], "names": row["names"], "ips": row["ips"]}
            for row in stations[:max_stations]
        ],
        "stations_left_out": max(len(stations) - max_stations, 0),
    }


def _findings(document: Document) -> Iterator[Record]:
    """The findings that are no symptoms of others. `key`: name and what it is about, in words of all captures."""
    identity = Identity(document)
    for row in document["findings"]:
        if not row["explained_by"]:
            key = finding_key(row["id"], row["facts"], identity)
            yield {"key": key, **{name: row[name] for name in ("name", "level", "says", "fix")}}


def _containers(document: Document) -> Iterator[Record]:
    """Containers that a capture point names, and stations that are containers; by name and host."""
    addresses: dict[str, dict[str, None]] = {}
    for row in document["stations"]:
        if row["kind"] == "container":
            for name in row["names"]:
                addresses.setdefault(name, {}).update(dict.fromkeys(row["ips"]))
    hosts = {point["container"]: point["host"] for point in document["points"] if point["container"]}
    for name in sorted({*addresses, *hosts}):
        yield {"name": name, "host": hosts.get(name), "ips": list(addresses.get(name, ()))}


def _distinct(values: Iterable[str | None]) -> list[str]:
    return sorted({value for value in values if value})
