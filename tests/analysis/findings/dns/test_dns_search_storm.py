"""dns-search-storm: names that a client tries because of its search list before it finds the one it looks for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.dns_stories import AAAA, NO_SUCH_NAME, A, answer, question
from tests.analysis.findings.reported import Findings, named, of_story
from tests.stories import Network
from tests.story_reports import read

LIST = ("default.svc.cluster.local", "svc.cluster.local", "cluster.local", "lan")


def lookup(net: Network, name: str, tried: tuple[str, ...], exists: bool = True, **more: object) -> None:
    """A resolver asks for A and AAAA of each name, one after the other; only the last one exists."""
    for full in (*(f"{name}.{domain}" for domain in tried), name):
        for kind in (A, AAAA):
            ident = len(net.recorded) + 1
            packet = question(full, kind, ident, port=40000 + ident, **more)
            net.pass_by((net.points[0], packet))
            is_there = full == name and exists
            net.pass_by((net.points[0], answer(packet, 0 if is_there else NO_SUCH_NAME, int(kind == A))))


def of(net: Network, folder: Path) -> Findings:
    return of_story(net, folder, "dns-search-storm")


def test_search_list_before_each_name_is_told(tmp_path: Path) -> None:
    net = Network(["pod/eth0"])
    for name in ("api.example.com", "db.example.com"):
        lookup(net, name, LIST)
    (finding,) = of(net, tmp_path)
    facts = finding["facts"]
    assert (finding["level"], facts["tries"], facts["questions"], facts["domains"]) == ("info", 16, 20, 4)
    assert facts["names"] == ["api.example.com", "db.example.com"]
    assert "about 10 questions a lookup" in finding["says"]


def test_search_list_over_ipv6_is_told(tmp_path: Path) -> None:
    net = Network(["pod/eth0"])
    lookup(net, "api.example.com", LIST, ends="[fd00::7]:40000 > [fd00:96::a]:53")
    (finding,) = of(net, tmp_path)
    assert finding["facts"]["client"] == "fd00::7"


def test_search_list_is_no_failure_is_silent(tmp_path: Path) -> None:
    """`dns-failure` has nothing to say of names that were found in the end."""
    net = Network(["pod/eth0"])
    lookup(net, "api.example.com", LIST)
    assert of_story(net, tmp_path, "dns-failure") == []


def test_service_of_another_namespace_is_silent(tmp_path: Path) -> None:
    """`web.shop` is found under the second domain of the list: one try is not many, and no failure."""
    net = Network(["pod/eth0"])
    for full, code in ((f"web.shop.{LIST[0]}", NO_SUCH_NAME), (f"web.shop.{LIST[1]}", 0)):
        packet = question(full, A, len(net.recorded) + 1)
        net.pass_by(("pod/eth0", packet))
        net.pass_by(("pod/eth0", answer(packet, code)))
    report = read(net, tmp_path)
    assert named(report, "dns-search-storm") == named(report, "dns-failure") == []


@pytest.mark.parametrize("tried", [(), ("lan",)], ids=["final dot", "one domain"])
def test_short_list_is_silent(tmp_path: Path, tried: tuple[str, ...]) -> None:
    net = Network(["pod/eth0"])
    lookup(net, "api.example.com", tried)
    assert of(net, tmp_path) == []


def test_name_that_exists_nowhere_is_silent(tmp_path: Path) -> None:
    """A typing error, tried with the whole list: one failure, of the name itself."""
    net = Network(["pod/eth0"])
    lookup(net, "apii.example.com", LIST, exists=False)
    report = read(net, tmp_path)
    assert named(report, "dns-search-storm") == []
    (failure,) = named(report, "dns-failure")
    assert (failure["facts"]["name"], failure["facts"]["answers"]) == ("apii.example.com", 10)


def test_questions_recorded_twice_is_told(tmp_path: Path) -> None:
    """A capture at `any` shows each packet at two interfaces: it counts once."""
    net = Network(["any"])
    lookup(net, "api.example.com", LIST)
    net.recorded += [(time + 20, point, packet) for time, point, packet in net.recorded]
    (finding,) = of(net, tmp_path)
    assert (finding["facts"]["tries"], finding["facts"]["questions"]) == (8, 10)
