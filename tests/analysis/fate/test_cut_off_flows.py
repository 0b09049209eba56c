"""Of many connections through one host, some are cut off at a random point: each is found, and no other one.

Clients on B reach four services of two containers on A: three over TCP, one over UDP. The story knows what it cut off.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from capnet.analysis.core import schema
from capnet.analysis.engine import study
from capnet.analysis.fate.fates import STOPS, fates
from tests.analysis.findings.reported import CARD_A, CARD_B
from tests.stories import ACK, SYN, Network, Packet, tcp, udp
from tests.story_reports import A, B

CONNECTIONS = 250
CUT_SHARE = 0.2
SYNS = 4  # of a client that gets no answer
DROPPED_SHARE = 0.25
BRIDGE_MAC = "02:42:00:00:00:01"
OUTSIDE = ("B/ens33", "A/ens33")


class Service(NamedTuple):
    """A published port, and the container's end of it."""

    published: int
    ip: str
    port: int
    container: str

    @property
    def mac(self) -> str:
        return "02:42:" + ":".join(f"{int(part):02x}" for part in self.ip.split("."))

    @property
    def points(self) -> list[str]:
        return [*OUTSIDE, "A/docker0", f"A/veth-{self.container}", f"A/{self.container}/eth0"]


SERVICES = [
    Service(8080, "172.17.0.2", 80, "web"),
    Service(8081, "172.17.0.2", 81, "web"),
    Service(5432, "172.17.0.3", 5432, "db"),
    Service(5353, "172.17.0.3", 53, "db"),
]
Stop = tuple[str, str]  # the last point, and the one behind it


def connect(net: Network, service: Service, client_port: int, ident: int, reach: int) -> None:
    """One question that passes the first `reach` points of the way; if these are all, the answer comes back."""
    ends, inner = f"{B}:{client_port} > {A}:{service.published}", f"{B}:{client_port} > {service.ip}:{service.port}"
    question: Packet
    if service.port == 53:
        question = udp(ends, b"question %d" % client_port, ident=ident, smac=CARD_B, dmac=CARD_A)
        answer = udp(inner, b"answer %d" % client_port, ident=ident)
    else:
        question = tcp(ends, flags=SYN, seq=1000 * client_port, ident=ident, smac=CARD_B, dmac=CARD_A)
        answer = tcp(inner, flags=SYN | ACK, seq=7 * client_port, ack=1000 * client_port + 1, ident=ident)
    inside = question.routed(ends=inner, smac=BRIDGE_MAC, dmac=service.mac)
    hops = [(point, question if point in OUTSIDE else inside) for point in service.points]
    net.pass_by(*hops[:reach], gap=5000)
    if reach == len(hops):
        back = answer.but(ends=" > ".join(inner.split(" > ")[::-1]), smac=service.mac, dmac=BRIDGE_MAC)
        outside = back.routed(ends=" > ".join(ends.split(" > ")[::-1]), smac=CARD_A, dmac=CARD_B)
        net.pass_by(*((point, outside if point in OUTSIDE else back) for point in service.points[::-1]), gap=5000)


def story(seed: int, cut_share: float) -> tuple[Network, dict[int, Stop]]:
    """The connections, and by client port where they were cut off."""
    chance = random.Random(seed)
    net = Network(list(dict.fromkeys(point for service in SERVICES for point in service.points)))
    stops: dict[int, Stop] = {}
    for client_port in range(40_000, 40_000 + CONNECTIONS):
        service = chance.choice(SERVICES)
        reach = len(service.points)
        if chance.random() < cut_share:
            reach = chance.randrange(1, reach)
            stops[client_port] = service.points[reach - 1], service.points[reach]
        for attempt in range(SYNS if client_port in stops else 1):
            connect(net, service, client_port, client_port + 1000 * attempt & 0xFFFF, reach)
    return net, stops


def stops_found(net: Network, folder: Path) -> dict[int, Stop]:
    """By client port, where flows stop."""
    context = study(net.write(folder)).context
    outcome, names = fates(context), [point.name for point in context.points]
    found = {}
    for number in np.flatnonzero(outcome.state == STOPS).tolist():
        flow = context.flows[outcome.last[number]]
        found[int(flow[schema.FLOW_SPORT])] = names[int(flow[schema.FLOW_POINT])], names[int(outcome.due[number])]
    return found


@pytest.mark.parametrize("seed", [1, 2])
def test_flows_cut_off_are_found_where_they_stop(seed: int, tmp_path: Path) -> None:
    net, stops = story(seed, CUT_SHARE)
    assert len(stops) > CONNECTIONS * CUT_SHARE / 2
    assert stops_found(net, tmp_path) == stops


@pytest.mark.parametrize("point", ["A/ens33", "A/docker0", "A/web/eth0"])
def test_dropping_capture_cuts_no_flow_off(point: str, tmp_path: Path) -> None:
    """One capture program loses a quarter of its packets; all connections are answered."""
    net, _ = story(3, 0.0)
    chance = random.Random(point)
    net.recorded = [each for each in net.recorded if each[1] != point or chance.random() >= DROPPED_SHARE]
    assert stops_found(net, tmp_path) == {}
