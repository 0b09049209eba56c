"""What is the same in two captures: addresses by their names, points by what they are, flows without client ports.

Docker draws addresses, names of veths and bridges, and ports of clients anew each time. So an end of a flow is its name
where it has one; a veth is that of the container which paths show behind it; other points with drawn names are paired
by `same_points`; a flow is its protocol, its ends, and the port that was asked.
"""

from __future__ import annotations

from collections.abc import Mapping

from capnet.analysis.core.contract.document import Document
from capnet.analysis.core.flow_rows import is_multicast
from capnet.quick_tuple import NamedTuple
from capnet.report.comparison.same_points import (
    SamePoint,
    bridges_of_networks,
    containers_of_veths,
    label_of,
    same_points,
)
from capnet.report.words import ARROW, Words
from capnet.topology import Topology
from capnet.topology.lookup import DOCKER_DNS
from capnet.wire.numbers import PORT_DNS

Topologies = tuple[Topology | None, Topology | None]


class FlowName(NamedTuple):
    """A flow in words that hold in both captures: protocol, who asks, who is asked with the port."""

    proto: str
    source: str
    destination: str

    def __str__(self) -> str:
        return f"{self.proto} {self.source}{ARROW}{self.destination}"


class Identity:
    """Names of what a document has. Strings of the document are printable already.

    `labels`: point → its name in words that hold in the other capture, beside veths whose container paths show.
    """

    def __init__(self, document: Document, labels: Mapping[str, str] | None = None) -> None:
        veths = containers_of_veths(document)
        self._points = {veth: label_of(veth, "veth", container) for veth, container in veths.items()} | dict(
            labels or {}
        )
        names = {address: self.point(name) for address, name in document.get("names", {}).items()}
        self.words = Words.of({**document, "names": names})

    def point(self, name: str) -> str:
        """`A/veth of web` for a veth with a name that was drawn, the name itself for other points."""
        return self._points.get(name, name)

    def flow(self, proto: str, side: Document, point: str = "") -> FlowName:
        """The name of a flow. Of its ports that of the service stays, which is the lower one."""
        ports = _lasting_ports(side, is_answer(side))
        source, destination = (
            self.words.endpoint(side[end], port, point) for end, port in zip(("src", "dst"), ports, strict=True)
        )
        return FlowName(proto, source, destination)

    def form(self, side: Document, has_service_as_source: bool) -> str:
        """`bbox → B:7000`: one form of a translated flow, named as flows are."""
        ports = _lasting_ports(side, has_service_as_source)
        ends = (
            self.words.endpoint(side[end], port, side["point"]) for end, port in zip(("src", "dst"), ports, strict=True)
        )
        return ARROW.join(ends)


def identities(
    good: Document, bad: Document, topologies: Topologies = (None, None)
) -> tuple[Identity, Identity, list[SamePoint]]:
    """The names of both captures, in which points with drawn names that are the same have one; and these points."""
    pairs = same_points(good, bad, topologies)
    points = {point["name"] for document in (good, bad) for point in document["points"]}
    before, after = (
        {name: label for name, label in bridges_of_networks(topology).items() if name not in points}
        for topology in topologies
    )
    return (
        Identity(good, before | {pair.good: pair.name for pair in pairs}),
        Identity(bad, after | {pair.bad: pair.name for pair in pairs}),
        pairs,
    )


def _lasting_ports(side: Document, has_service_as_source: bool) -> tuple[int | None, int | None]:
    """Ports of source and destination that another capture has too: that of the service.

    Docker's name server listens at a port that is drawn when its container starts, behind port 53.
    """
    if DOCKER_DNS in (side["src"], side["dst"]):
        source, destination = (
            side[port] if side[end] == DOCKER_DNS and side[port] == PORT_DNS else None
            for end, port in (("src", "sport"), ("dst", "dport"))
        )
        return source, destination
    return (side["sport"], None) if has_service_as_source else (None, side["dport"])


def is_to_one(side: Document) -> bool:
    """Whether a flow has one receiver: what goes to a group takes each way, and its copies arrive in any order."""
    return not is_multicast(side["dst"])


def is_answer(side: Document) -> bool:
    """Whether a flow comes from a service, as its ports say."""
    return side["sport"] is not None and side["dport"] is not None and side["sport"] < side["dport"]
