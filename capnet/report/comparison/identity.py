"""What is the same in two captures: addresses by their names, points by what they are, flows without client ports.

Docker draws addresses, names of veths and ports of clients anew each time. So an end of a flow is its name where it has
one; a veth is that of the container which paths show behind it; a flow is its protocol, its ends, and the port that was
asked.
"""

from __future__ import annotations

from itertools import pairwise

from capnet.analysis.core.contract.document import Document
from capnet.analysis.core.flow_rows import is_multicast
from capnet.quick_tuple import NamedTuple
from capnet.report.words import ARROW, Words
from capnet.topology.lookup import DOCKER_DNS
from capnet.wire.numbers import PORT_DNS


class FlowName(NamedTuple):
    """A flow in words that hold in both captures: protocol, who asks, who is asked with the port."""

    proto: str
    source: str
    destination: str

    def __str__(self) -> str:
        return f"{self.proto} {self.source}{ARROW}{self.destination}"


class Identity:
    """Names of what a document has. Strings of the document are printable already."""

    def __init__(self, document: Document) -> None:
        self.words = Words.of(document)
        self._points = _point_names(document)

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


def _point_names(document: Document) -> dict[str, str]:
    """Names for veths: of the container beside which paths show them."""
    points = {point["name"]: point for point in document["points"]}
    neighbours: dict[str, set[str]] = {}
    for path in document.get("paths", []):
        for hop, after in pairwise(hop["point"] for hop in path["hops"]):
            for point, other in ((hop, after), (after, hop)):
                container = points.get(other, {}).get("container")
                if points.get(point, {}).get("role") == "veth" and container:
                    neighbours.setdefault(point, set()).add(container)
    names = {}
    for name, containers in neighbours.items():
        if len(containers) == 1:
            host = name.rpartition("/")[0]
            names[name] = f"{host}/veth of {containers.pop()}".lstrip("/")
    return names
