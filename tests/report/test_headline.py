"""The first sentences of a report. Truth: each story says what fails, and what its points can see."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from capnet.analysis.core.results import Finding, FlowKey
from capnet.analysis.core.results import Path as FlowPath
from capnet.analysis.engine import analyze
from capnet.analysis.findings import finding_modules
from capnet.report.formats import html, markdown, table
from capnet.report.headline import NOTES, VAGUE, first_step, headline, limits
from capnet.report.words import Words
from tests.conftest import GOLDENS
from tests.report import sample
from tests.report.sample import at
from tests.stories import ACK, RST, SYN, Network, Packet, about, ping, tcp, udp
from tests.story_reports import A, B, read

SECOND = 1_000_000.0
POINTS = ["A/ens33", "B/ens33"]
NO_LOSS = "No packet lost between capture points."


def exchange(net: Network, count: int = 4, unseen: tuple[int, ...] = (), sport: int = 5000) -> None:
    """A connection of A to B at all points; packets of A whose numbers are `unseen` are missing at the last one."""
    for number in range(count):
        packet = tcp(
            f"{A}:{sport} > {B}:80", b"x" * 10, flags=SYN if number == 0 else ACK, seq=number * 10, ident=number
        )
        points = net.points[:-1] if number in unseen else net.points
        net.pass_by(*((point, packet) for point in points))
        answer = tcp(f"{B}:80 > {A}:{sport}", b"y", seq=900 + number, ident=number + 90)
        net.pass_by(*((point, answer) for point in reversed(net.points)))


def first_sentences(net: Network, folder: Path, **more: Any) -> list[str]:
    report = read(net, folder, **more)
    return [*headline(report, Words.of(report)), *limits(report)]


def test_complete_flows_between_points_lost_nothing(tmp_path: Path) -> None:
    net = Network(POINTS)
    exchange(net)
    assert first_sentences(net, tmp_path) == [NO_LOSS]


def test_flow_that_cannot_be_followed_is_counted(tmp_path: Path) -> None:
    """Datagrams that want no answer leave by a card; no point shows whether they arrive."""
    net = Network(POINTS)
    exchange(net)
    for number in range(3):
        net.pass_by(("A/ens33", udp(f"{A}:40000 > 192.0.2.9:514", b"log", ident=number + 1)))
    assert first_sentences(net, tmp_path) == [
        "No problem found; 1 of 2 flows cannot be followed (no capture point shows where it goes next)."
    ]


def test_errors_about_packets_that_were_not_captured_are_told(tmp_path: Path) -> None:
    """The sentences were empty: no flow asks, so none has a fate."""
    net = Network(["R/eth0"])
    for number in range(2):
        error = Packet("icmp", "10.0.0.1", A, icmp=(5, 1), ident=number + 1)
        net.pass_by(("R/eth0", about(error, udp(f"{A}:5000 > {B}:53", b"question"))))
    assert first_sentences(net, tmp_path) == [f"10.0.0.1 sends 'redirect for a host' (ICMP) to {A}, 2 times."]


def test_broadcasts_alone_are_told(tmp_path: Path) -> None:
    net = Network(["R/eth0"])
    for number in range(3):
        packet = udp(f"{A}:5000 > 255.255.255.255:5000", b"here", ident=number + 1, dmac="ff:ff:ff:ff:ff:ff")
        net.pass_by(("R/eth0", packet))
    assert first_sentences(net, tmp_path) == [
        "No problem found, but only broadcasts, multicasts, fragments or answers were captured: they do not show what "
        "arrives."
    ]


def test_packets_the_capture_dropped_are_no_proof() -> None:
    """Written by the capture program: interface statistics say 12."""
    report = sample.changed(
        sample.bridge(), {"findings": [], "fates": sample.bridge().fates[2:], "points.4.dropped": 12}
    )
    document = report.to_dict() | {"correlation": {"fates": {"delivered": 1}, "answered": 1, "unrecorded": {}}}
    assert headline(document, Words.of(document)) == ["No problem found (1 of 1 flow answered)."]
    assert list(limits(document)) == ["The capture dropped 12 packets at A/ens33: loss cannot be told there."]


def test_packets_seen_behind_a_gap_are_unrecorded(tmp_path: Path) -> None:
    """The middle point misses packets that the last one has."""
    net = Network(["A/docker0", "A/ens33", "B/ens33"])
    for number in range(8):
        packet = udp(f"{A}:5000 > {B}:80", bytes([number]) * 10, ident=number + 1)
        net.pass_by(*((point, packet) for point in net.points if point != "A/ens33" or number not in (2, 3)))
        answer = udp(f"{B}:80 > {A}:5000", bytes([number]) * 9, ident=number + 90)
        net.pass_by(*((point, answer) for point in reversed(net.points)))
    sentences = first_sentences(net, tmp_path)
    assert NO_LOSS not in sentences
    assert sentences[-1] == "At least 2 packets passed A/ens33 unrecorded: loss cannot be told there."


def test_one_point_tells_what_it_cannot_see(tmp_path: Path) -> None:
    net = Network(["A/ens33"])
    exchange(net)
    net.pass_by(("A/ens33", udp(f"{A}:40000 > {B}:514", b"log", ident=7)))
    assert first_sentences(net, tmp_path) == [
        "No problem found (1 of 2 flows answered); one capture point cannot show what is lost elsewhere."
    ]


@pytest.mark.parametrize("points", [["A/ens33"], POINTS], ids=["one point", "two points"])
def test_unanswered_and_repeated_flow_is_no_good_news(tmp_path: Path, points: list[str]) -> None:
    """Of SYNs a finding says so, first of all."""
    net = Network(points)
    exchange(net)
    for number in range(4):
        syn = tcp(f"{A}:6000 > 192.0.2.9:443", flags=SYN, seq=7, ident=number + 1)
        net.pass_by((points[0], syn), gap=SECOND)
    first = first_sentences(net, tmp_path)[0]
    assert first.startswith(f"4 SYNs of {A} to 192.0.2.9:443 got no answer; they were last seen at A/ens33")


def test_sampled_capture_does_not_claim_completeness(tmp_path: Path) -> None:
    net = Network(POINTS)
    exchange(net, count=600)
    report = read(net, tmp_path, budget=300)
    assert report["correlation"]["share"] < 1
    assert NO_LOSS not in headline(report, Words.of(report))


@pytest.mark.parametrize(
    ("destination", "expected"), [("ff02::2", NO_LOSS), ("fe80::2", "No problem found (1 of 1 flow answered).")]
)
def test_group_packets_missing_elsewhere_are_no_loss(destination: str, expected: str) -> None:
    """A host that comes up solicits routers (RFC 4861 section 6.3.7): nothing tells of which points have one."""
    ends = ("fe80::1", None, destination, None)
    hops = [sample.hop("A/ens33", ends, packets=2), sample.hop("B/ens33", ends, "wire", delta=4, lost=None, packets=1)]
    report = sample.bridge()
    paths = [*report.paths, FlowPath("icmpv6", FlowKey(*ends), hops, "unknown", at("A/ens33", 1))]
    report = sample.changed(report, {"findings": [], "fates": report.fates[2:], "paths": paths})
    document = report.to_dict() | {"correlation": {"fates": {"delivered": 1}, "answered": 1, "unrecorded": {}}}
    assert headline(document, Words.of(document)) == [expected]


ASKED = {"kind": "arp", "asker": "172.19.0.4", "point": "A/ens33"}
ARP = [{**ASKED, "target": target} for target in ("172.19.0.3", "172.19.0.2", "172.19.0.3")]


@pytest.mark.parametrize(
    ("frames", "changes", "expected"),
    [
        (
            0,
            {},
            "The capture has no frames. Check the interface and the filter of the capture program, and end it by "
            "Ctrl-C or SIGTERM. What a host sends to itself passes its loopback (lo) only, and what it has no route "
            "for is not sent.",
        ),
        (3, {"neighbours": ARP}, "No IP packet was captured; of ARP, 172.19.0.4 asks for 172.19.0.3 and 172.19.0.2."),
        (3, {"undecoded": {"ethertype 0x894f": 3}}, "No IP packet was found; not decoded: ethertype 0x894f."),
        (3, {}, "No IP packet was captured."),
    ],
    ids=["nothing", "ARP", "not decoded", "decoded, without flows"],
)
def test_capture_without_flows_says_what_there_is(frames: int, changes: dict[str, Any], expected: str) -> None:
    document = sample.empty().to_dict()
    document["coverage"] |= {"frames": frames, "undecoded": changes.get("undecoded", {})}
    document["neighbours"] = changes.get("neighbours", [])
    assert headline(document, Words.of(document)) == [expected]


def cause(name: str, level: str, count: int = 1, fix: str | None = "mend it") -> Finding:
    return Finding(name, level, f"{name} is so", fix, {}, at("A/ens33", 1), count=count)


def of(*findings: Finding) -> list[str]:
    report = sample.changed(sample.bridge(), {"findings": list(findings), "fates": []}).to_dict()
    return headline(report, Words.of(report))


def test_worst_cause_comes_first_with_the_next_step() -> None:
    small, large = cause("firewall-rejected", "error", 2), cause("stops-between", "error", 30)
    assert of(cause("arp-unanswered", "warning", 900), small, large) == [
        "stops-between is so.",
        "Next: mend it.",
        "1 more error and 1 more warning: firewall-rejected and arp-unanswered.",
    ]


@pytest.mark.parametrize(
    ("fix", "step"),
    [
        ("look at the log; or else", "look at the log"),
        ("`sysctl a=1; ip neigh add b`, or a route; see", "`sysctl a=1; ip neigh add b`, or a route"),
        ("by design; use ipvlan", "use ipvlan"),
        ("mend it.", "mend it"),
    ],
)
def test_next_step_is_the_first_clause_of_the_fix(fix: str, step: str) -> None:
    assert of(cause("dns-slow", "warning", fix=fix))[1] == f"Next: {step}."


def test_symptom_does_not_hide_a_cause() -> None:
    assert of(cause("retransmissions", "warning", 5000), cause("dns-slow", "warning", 3))[0] == "dns-slow is so."
    assert of(cause("retransmissions", "warning", 5000))[0] == "retransmissions is so."


def test_notes_and_explained_symptoms_are_no_headline() -> None:
    explained = Finding("retransmissions", "warning", "again", None, {}, explained_by="x")
    sentences = of(cause("capture-dropped-packets", "warning"), explained, cause("checksum-offload", "info"))
    assert not any("is so" in sentence for sentence in sentences)


def test_constants_name_findings() -> None:
    names = {module.NAME for module in finding_modules()}
    assert set(NOTES) <= names and set(VAGUE) <= names


def test_page_begins_with_the_cause_and_says_its_fix_once() -> None:
    text = html.render(sample.changed(sample.bridge(), {"findings": [cause("mtu-blackhole", "error")]}).to_dict())
    assert text.index("mtu-blackhole is so.") < text.index("mend it") < text.index("Two containers")
    assert text.count("mend it") == 1


@pytest.mark.parametrize(("render", "step"), [(table.render, "Fix"), (markdown.render, "Next")])
def test_every_format_begins_with_the_cause(render: Any, step: str) -> None:
    text = render(sample.changed(sample.bridge(), {"findings": [cause("mtu-blackhole", "error")]}).to_dict())
    assert " ".join(text.split()).index(f"mtu-blackhole is so. {step}: mend it.") < text.index("Two containers")


def test_notes_are_one_line_unless_only_findings_are_asked() -> None:
    notes = [cause("checksum-offload", "info"), cause("clock-skew", "info"), cause("dns-failure", "info")]
    report = sample.changed(sample.bridge(), {"findings": notes})
    text = table.render(report.to_dict())
    assert "2 notes about the capture: checksum-offload, clock-skew (--only findings)" in text
    assert "dns-failure is so" in text and "clock-skew is so" not in text
    assert "clock-skew is so" in table.render(report.to_dict(only=["findings"]))


def test_step_of_an_info_is_a_note() -> None:
    quiet = cause("dns-failure", "info", fix="look elsewhere")
    text = table.render(sample.changed(sample.bridge(), {"findings": [quiet]}).to_dict())
    assert "Note: look elsewhere" in text and "Fix:" not in text


def test_unanswered_translation_reaches_nothing(tmp_path: Path) -> None:
    net = Network(["A/ens33", "A/docker0"])
    for number in range(3):
        packet = Packet("tcp", B, A, 40000, 8080, flags=SYN, seq=5, ident=number + 1)
        net.pass_by(("A/ens33", packet), ("A/docker0", packet.routed(dst="172.17.0.2", dport=80)), gap=SECOND)
    report = read(net, tmp_path)
    assert report["nat"] and "reaches" not in table.render(report)


@pytest.mark.parametrize("capture", GOLDENS, ids=lambda path: path.name)
def test_golden_without_cause_claims_what_holds(capture: Path) -> None:
    """Every golden is healthy but for what its scenario shows on purpose; none is said to have lost packets."""
    report = analyze(capture).to_dict()
    sentences = headline(report, Words.of(report))
    lossless = all(hop["lost"] in (0, None) for path in report["paths"] for hop in path["hops"])
    assert sentences and lossless
    if sentences == [NO_LOSS]:
        assert set(report["correlation"]["fates"]) <= {"delivered", "answered-by"}


@pytest.mark.parametrize(
    ("fix", "step"),
    [
        ("call it; or wait", "call it"),
        ("look (`a; b` counts; c too); then mend", "look (`a; b` counts; c too)"),
        ("检查（甲；乙）；再修", "检查（甲；乙）"),
    ],
)
def test_first_step_ends_outside_of_code_and_brackets(fix: str, step: str) -> None:
    assert first_step(fix) == step


def refusals(ports: range) -> Network:
    """A client asks for each of these ports of a host once, and is refused."""
    net = Network(["A/ens33"])
    for port in ports:
        net.pass_by(("A/ens33", tcp(f"{B}:40000 > {A}:{port}", flags=SYN, seq=port, ident=port)))
        net.pass_by(("A/ens33", tcp(f"{A}:{port} > {B}:40000", flags=RST | ACK, ack=port + 1)))
    return net


def test_port_scan_is_told_as_the_finding_tells_it(tmp_path: Path) -> None:
    """1,000 closed ports are no 1,000 flows to look after."""
    report = read(refusals(range(1, 31)), tmp_path)
    (finding,) = (finding for finding in report["findings"] if finding["name"] == "port-scan")
    assert finding["level"] == "info"
    assert headline(report, Words.of(report)) == [finding["says"] + "."]


def test_other_failures_beside_a_scan_are_counted_alone(tmp_path: Path) -> None:
    net = refusals(range(1, 31))
    for number in range(2):
        question = udp(f"{A}:{50000 + number} > {B}:9", b"?", ident=900 + number)
        net.pass_by(("A/ens33", question))
        net.pass_by(("A/ens33", about(ping(f"{B} > {A}", 0, 0, icmp=(3, 3)), question)))
    report = read(net, tmp_path)
    assert headline(report, Words.of(report)) == [f"udp {A} → {B}:9: {B} answers 'port unreachable' (ICMP)."]
