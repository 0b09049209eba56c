"""Reports of stories (`tests.stories`), and the parts of them that tests compare."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from capnet.analysis.engine import analyze
from tests.stories import Network, Packet

C1, C2, B, A = "172.17.0.2", "172.17.0.3", "192.168.111.129", "192.168.111.128"
POINTS = ["A/web/eth0", "A/veth1", "A/docker0", "A/ens33", "B/ens33"]


def read(net: Network, folder: Path, **more: Any) -> dict[str, Any]:
    """The JSON document of a story's report; `more` are arguments of `analyze`."""
    return analyze(net.write(folder), **more).to_dict()


def path_of(report: dict[str, Any], src: str, dst: str, proto: str = "") -> dict[str, Any]:
    """The only path of these ends, and of a protocol if one is given."""
    paths = [
        path
        for path in report["paths"]
        if (path["flow"]["src"], path["flow"]["dst"]) == (src, dst) and proto in path["proto"]
    ]
    assert len(paths) == 1, [(path["proto"], path["flow"], points(path)) for path in paths]
    return paths[0]


def points(path: dict[str, Any]) -> list[str]:
    return [hop["point"] for hop in path["hops"]]


def changes(path: dict[str, Any]) -> list[list[str]]:
    return [hop["change"] for hop in path["hops"]]


def lost(path: dict[str, Any]) -> list[int | None]:
    return [hop["lost"] for hop in path["hops"]]


def translations(report: dict[str, Any]) -> set[tuple[Any, ...]]:
    """(kind, protocol, before, after) of each NAT fact; ICMP has an identifier instead of ports."""
    return {
        (
            row["kind"],
            row["proto"],
            *(
                (side["src"], side["sport"], side["dst"], side["dport"])
                if row["proto"] != "icmp"
                else (side["src"], side["id"], side["dst"])
                for side in (row["before"], row["after"])
            ),
        )
        for row in report["nat"]
    }


def outward(net: Network, packet: Packet, port: int | None = None, **more: Any) -> None:
    """A packet of a container, masqueraded as A on its way to B; `port` is the source port outside."""
    outside = packet.routed(src=A, sport=packet.sport if port is None else port, echo=packet.echo)
    net.pass_by(*((point, packet) for point in POINTS[:3]), *((point, outside) for point in POINTS[3:]), **more)


def inward(net: Network, packet: Packet, to: str, **more: Any) -> None:
    """A reply of B to A, translated back to `to` on its way to the container."""
    inside = packet.routed(ends=f"{packet.src}:{packet.sport} > {to}")
    net.pass_by(("B/ens33", packet), ("A/ens33", packet), *((point, inside) for point in POINTS[2::-1]), **more)


def findings_named(report: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """The findings of a report that have this name."""
    return [finding for finding in report["findings"] if finding["name"] == name]
