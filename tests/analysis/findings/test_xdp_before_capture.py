"""xdp-before-capture: what a container sends and the host end of its veth does not show."""

from __future__ import annotations

from pathlib import Path

import pytest

from capnet.topology import Container, Endpoint, Host, Interface, Topology
from tests.analysis.findings.reported import Findings, of_story
from tests.stories import Network, ping
from tests.story_reports import C1, C2

INNER, OUTER = "A/web/eth0", "A/veth1"
MAC = "02:42:ac:11:00:02"
ENDS = (C1, C2)
V6 = ("fd00::2", "fd00::3")


def sent(
    folder: Path,
    *,
    shown: int,
    program: str | None = "id 129",
    ends: tuple[str, str] = ENDS,
    points: tuple[str, ...] = (INNER, OUTER),
) -> Findings:
    """Four pings of web, of which the host end of its veth shows the first ones, and pings of the other container.

    Another host end has a program in any case.
    """
    client, other = ends
    net = Network(list(points))
    for number in range(4):
        request = ping(f"{client} > {other}", 8, number, ident=number + 1, smac=MAC)
        net.pass_by(*((point, request) for point in points[: 2 if number < shown else 1]), gap=1e6)
        asked = ping(f"{other} > {client}", 9, number, ident=number + 1, dmac=MAC)
        net.pass_by(*((point, asked) for point in reversed(points)), gap=1e6)
    end = Endpoint("bridge", "eth0", MAC, [f"{C1}/16", "fd00::2/64"], veth="veth1")
    interfaces = [
        Interface(name, 5, None, [], "veth", xdp=xdp) for name, xdp in (("veth1", program), ("veth9", "id 7"))
    ]
    host = Host("A", "20.10", "6", interfaces)
    topology = Topology(hosts=[host], containers=[Container("A", "web", "1", "i", "bridge", [end])])
    return of_story(net, folder, "xdp-before-capture", topology)


@pytest.mark.parametrize("ends", [ENDS, V6])
def test_what_an_xdp_program_takes_is_told(ends: tuple[str, str], tmp_path: Path) -> None:
    (finding,) = sent(tmp_path, shown=0, ends=ends)
    assert (finding["level"], finding["facts"]["packets"], finding["facts"]["seen"]) == ("error", 4, 0)
    assert "A/veth1 shows 0 of 4 packets that web sent: the XDP program id 129 is there" in finding["says"]


def test_part_that_xdp_takes_is_told(tmp_path: Path) -> None:
    (finding,) = sent(tmp_path, shown=1)
    assert (finding["level"], finding["facts"]["seen"]) == ("warning", 1)


@pytest.mark.parametrize(("shown", "program"), [(4, "id 129"), (3, "id 129"), (0, None)])
def test_point_that_shows_all_is_silent(shown: int, program: str | None, tmp_path: Path) -> None:
    """All but one that may be on its way, or no program is there."""
    assert sent(tmp_path, shown=shown, program=program) == []


def test_container_alone_is_silent(tmp_path: Path) -> None:
    """Nothing was captured at the host end."""
    assert sent(tmp_path, shown=0, points=(INNER,)) == []
