"""One cause is told once: a finding leaves out the symptoms that are about its own conversations only."""

from __future__ import annotations

from pathlib import Path

import pytest

from capnet.analysis.core.contract.finding_list import Statement, Subjects, listed
from capnet.analysis.core.results import Evidence, Finding
from capnet.scenario.faults import library
from tests.conftest import PROJECT
from tests.report.golden_documents import report
from tests.stories import ACK, FIN, PSH, SYN, Network, tcp
from tests.story_reports import C1, A, read

FAULTS = PROJECT / "pcaps" / "faults"
NOTHING = Subjects()


def flows(*names: int) -> Subjects:
    """Evidence that is about these conversations and nothing else."""
    return Subjects(frozenset(names), is_of_flows=True)


def statement(name: str, *points: str, explains: tuple[str, ...] = ()) -> Statement:
    """A finding with a frame at each of these points as evidence."""
    evidence = [Evidence(point, "made.pcapng", 1) for point in points]
    return Statement(Finding(name, "error", "it is so", None, {}, evidence), explains)


def told(*pairs: tuple[Statement, Subjects]) -> list[str]:
    """Names of what is listed of statements whose evidence is about these subjects."""
    subjects = {id(stated.finding): about for stated, about in pairs}
    findings = listed((stated for stated, _ in pairs), lambda stated: subjects[id(stated.finding)])
    return [finding.name for finding in findings]


CAUSE = statement("cause", "A/ens33", "B/ens33", explains=("symptom",))


def test_symptom_of_the_same_flows_is_left_out() -> None:
    """At whatever points it is seen."""
    assert told((CAUSE, flows(1, 2)), (statement("symptom", "A/docker0"), flows(2))) == ["cause"]


def test_symptom_of_other_flows_stays() -> None:
    """At the same points, too."""
    assert told((CAUSE, flows(1, 2)), (statement("symptom", "A/ens33"), flows(2, 3))) == ["cause", "symptom"]


def test_symptom_of_two_causes_is_left_out() -> None:
    """Each of them explains some of its flows."""
    symptom = statement("symptom", "A/ens33")
    causes = [(statement("cause", "A/ens33", explains=("symptom",)), flows(number)) for number in (1, 2)]
    assert told(*causes, (symptom, flows(1, 2))) == ["cause", "cause"]
    assert told(*causes, (symptom, flows(1, 2, 3))) == ["cause", "cause", "symptom"]


@pytest.mark.parametrize("about", [NOTHING, Subjects(frozenset({("arp", 1, 2)}))])
def test_cause_of_more_than_flows_explains_its_points(about: Subjects) -> None:
    """A broadcast storm, or a MAC: the symptom lies at the points of its evidence, or is told."""
    assert told((CAUSE, about), (statement("symptom", "A/ens33"), flows(7))) == ["cause"]
    for points in (("A/ens33", "A/docker0"), ("A/docker0",), ()):
        assert told((CAUSE, about), (statement("symptom", *points), flows(7))) == ["cause", "symptom"]


def test_symptom_that_no_finding_explains_stays() -> None:
    cause = statement("cause", "A/ens33")
    assert told((cause, flows(1)), (statement("symptom", "A/ens33"), flows(1))) == ["cause", "symptom"]


def test_symptom_of_a_symptom_is_the_first_cause_s() -> None:
    """What is named as explaining it is listed itself."""
    middle = statement("middle", "A/ens33", explains=("retransmissions",))
    first = statement("first", "A/ens33", explains=("middle",))
    last = statement("retransmissions", "A/ens33")
    findings = listed((last, middle, first), lambda _: flows(1))
    assert [(finding.name, finding.explains) for finding in findings] == [
        ("first", ["middle", "retransmissions"]), ("retransmissions", []),
    ]  # fmt: skip
    assert findings[1].explained_by == findings[0].id


def test_listed_evidence_is_the_first_of_it() -> None:
    """Findings name all frames, by which their symptoms are told; a reader opens the first few."""
    evidence = [Evidence("A/ens33", "made.pcapng", frame) for frame in range(1, 40)]
    (finding,) = listed([Statement(Finding("cause", "error", "it is so", None, {}, evidence))], lambda _: NOTHING)
    assert finding.evidence == evidence[:10]


@pytest.mark.parametrize("name", library.files())
def test_fault_capture_has_one_cause(name: str) -> None:
    """A fault breaks one line of a network: it is told once. Where there are two, ALSO of the fault says why."""
    findings = [finding.name for finding in report(FAULTS / f"{name}.pcapng").findings if finding.level != "info"]
    fault = library.load(name)
    assert sorted(findings) == sorted({fault.finding, *set(findings) & set(fault.also)})


@pytest.mark.parametrize("is_cooked", [False, True], ids=["Ethernet", "cooked"])
def test_symptom_of_other_flows_without_macs_stays(tmp_path: Path, is_cooked: bool) -> None:
    """A capture at `any` has no destination MACs: a lossy connection explains no SYNs to another server."""
    net = Network(["host/any"], cooked={"host/any"} if is_cooked else set())
    server, client = f"{A}:443 > {C1}:40000", f"{C1}:40000 > {A}:443"
    for time, packet in (
        (0.0, tcp(client, flags=SYN, mss=1460, tsval=1)),
        (0.1, tcp(server, flags=SYN | ACK, ack=1, mss=1460, tsval=1)),
        (0.2, tcp(client, bytes(500), seq=1, ack=1, flags=PSH | ACK, tsval=1)),
        (0.3, tcp(server, bytes(1200), seq=1 + 2 * 1448, ack=501, tsval=1)),
        (0.4, tcp(client, seq=501, ack=1, tsval=1)),
        (9.0, tcp(client, seq=501, ack=1, flags=FIN | ACK, tsval=1)),
        *((second, tcp(f"{C1}:50000 > 198.51.100.9:443", flags=SYN, seq=7)) for second in (1.0, 2.0, 4.0)),
    ):
        net.at(time * 1e6, "host/any", packet.but(ident=round(time * 10) + 1))
    names = {finding["name"] for finding in read(net, tmp_path)["findings"] if finding["level"] != "info"}
    assert names == {"mtu-blackhole", "connection-unanswered"}
