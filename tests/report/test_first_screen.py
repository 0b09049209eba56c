"""The first screen of every stored capture: it fits, says the worst first, and leaves nothing out that needs action."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from capnet.report.formats.table import render
from capnet.report.text import columns
from capnet.report.wanted import Wanted
from tests.conftest import GOLDENS, PROJECT
from tests.report import sample
from tests.report.golden_documents import document

FAULTS = sorted((PROJECT / "pcaps" / "faults").glob("*.pcapng"))
STORED = [*GOLDENS, *FAULTS]


def screen(shown: dict[str, Any], width: int = 100) -> list[str]:
    return render(shown, width, wanted=Wanted(full=False)).splitlines()


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.stem)
def test_first_screen_fits_a_terminal_of_30_lines(path):
    lines = screen(document(path))
    assert len(lines) <= 29
    assert all(columns(line) <= 100 for line in lines)


@pytest.mark.parametrize("width", [60, 80, 200])
@pytest.mark.parametrize("path", STORED, ids=lambda path: path.stem)
def test_first_screen_has_no_line_wider_than_asked(path, width):
    assert all(columns(line) <= width for line in screen(document(path), width))


@pytest.mark.parametrize("path", FAULTS, ids=lambda path: path.stem)
def test_first_screen_begins_with_the_worst_problem(path):
    """With its place and what to do; every other one is named."""
    shown = document(path)
    problems = [row for row in shown["findings"] if row["level"] != "info" and not row["explained_by"]]
    lines = screen(shown)
    text = " ".join(" ".join(lines).split())
    if not problems:
        assert not any(line.startswith(("error", "warning")) for line in lines)
        return
    assert lines[2].startswith(min(row["level"] for row in problems))
    assert all(row["name"] in text for row in problems)
    worst = next(row for row in problems if row["says"].rstrip(".") in text)
    assert f"capnet explain {worst['name']}" in text
    assert not worst["fix"] or "Fix: " in text


@pytest.mark.parametrize("path", GOLDENS, ids=lambda path: path.stem)
def test_first_screen_draws_one_path_of_points(path):
    shown = document(path)
    drawn = [line for line in screen(shown) if "─▶" in line or " ✗ " in line]
    has_paths = any(len(route["hops"]) > 1 for route in shown["paths"])
    assert bool(drawn) == has_paths
    names = {point["name"] for point in shown["points"]}
    assert all(set(re.findall(r"─▶ (\S+)", line)) <= names for line in drawn)


def test_first_screen_draws_the_flow_of_its_first_sentence():
    """It drew the path with most packets, "delivered", below a sentence on another flow that fails."""
    drawn = screen(document(PROJECT / "pcaps" / "ipvlan-l3.pcapng"))
    assert drawn[2:6] == [
        "icmp B → one: 192.168.111.1 answers 'network unreachable' (ICMP).",
        "",
        "  icmp B → one",
        "    B/ens33 ✗ 192.168.111.1 answers 'network unreachable' (ICMP)",
    ]


def test_first_screen_of_many_problems_counts_the_rest():
    report = sample.overlay()
    many = [sample.changed(report.findings[0], {"says": f"fault {number} " * 20}) for number in range(9)]
    lines = screen(sample.changed(report, {"findings": many}).to_dict())
    assert len(lines) <= 29
    assert any("more errors: mtu-blackhole (--only findings)" in line for line in lines)


def test_first_screen_folds_what_needs_no_action():
    lines = screen(document(PROJECT / "pcaps" / "bridge.pcapng"))
    assert "2 notes that need no action: checksum-offload and dns-failure (--only findings)" in lines


def test_first_screen_counts_notes_of_one_name():
    lines = screen(document(PROJECT / "pcaps" / "bridge-clash.pcapng"))
    note = "5 notes that need no action: checksum-offload, dns-failure and source-port-collision (3)"
    assert " ".join(lines).count(f"{note} (--only findings)") == 1


@pytest.mark.parametrize("width", [60, 80, 100])
def test_first_screen_keeps_commands_on_one_line(width: int):
    """A command that is broken cannot be copied."""
    for name in ("answer-from-other-address", "hairpin-off", "host-blocks-containers"):
        lines = screen(document(PROJECT / "pcaps" / "faults" / f"{name}.pcapng"), width)
        assert [line for line in lines if line.endswith(f"capnet explain {name}")]
        assert [line for line in lines if line.endswith("(--only findings)")]


def test_one_macvlan_child_is_told_as_one():
    text = " ".join(" ".join(screen(document(PROJECT / "pcaps" / "faults" / "macvlan-host-isolation.pcapng"))).split())
    assert "One container, web (192.168.111.10), is on the network of A/ens33" in text
    assert "Its own host cannot reach it." in text


def test_full_report_begins_with_the_first_screen():
    shown = document(PROJECT / "pcaps" / "bridge.pcapng")
    *first, rest = screen(shown)
    full = render(shown).splitlines()
    assert full[: len(first)] == first
    assert "NAT" in full and "NAT" not in first
    assert rest.startswith("All tables: --full · a page: ")
    assert full[len(first)].startswith("A page: "), "the tables follow: no option is needed to see them"


def test_first_screen_names_the_command_to_copy():
    """A file with a long name has the command on a line of its own, with its name; without room for it, FILE."""
    shown = document(PROJECT / "pcaps" / "faults" / "dns-truncated-no-tcp.pcapng")
    name = "captures/of/a/long/night/dns-truncated-no-tcp.pcapng"
    shown = {**shown, "inputs": [{**shown["inputs"][0], "file": name}]}
    assert screen(shown)[-2:] == ["All tables: --full · a page: -o report.html", f"Hop by hop: capnet trace {name}"]
    assert screen(shown, 60)[-1] == "Hop by hop: capnet trace FILE"


def test_first_screen_of_no_flow_does_not_offer_to_follow_one():
    rest = "All tables: --full · a page: -o report.html"
    nothing = sample.empty().to_dict()
    assert screen(nothing)[-1] == rest
    assert screen(document(PROJECT / "tests" / "made" / "llc.pcap"))[-1] == rest


def test_encrypted_overlay_is_no_direct_network():
    text = " ".join(" ".join(screen(document(PROJECT / "pcaps" / "overlay-encrypted.pcapng"))).split())
    assert "talk to each other through an encrypted tunnel (ESP)." in text


def test_hosts_that_reuse_an_address_are_told_apart():
    lines = screen(document(PROJECT / "pcaps" / "overlay.pcapng"))
    assert any("left (on A) 172.20.0.3 · right (on B) 172.20.0.3" in line for line in lines)


@pytest.mark.parametrize(
    ("fault", "drawn"),
    [
        ("published-port-blocked", "    A/ens33 ✗ stops at A/ens33, due at A/docker0"),
        ("stops-between", "    A/app/eth0 ─▶ A/docker0 ✗ stops at A/docker0, due at A/ens33"),
    ],
)
def test_first_screen_draws_the_flow_that_fails(fault: str, drawn: str) -> None:
    """Also where it was seen at one point only; other flows to the same service are delivered."""
    lines = screen(document(PROJECT / "pcaps" / "faults" / f"{fault}.pcapng"))
    assert drawn in lines
    assert not any("◆ delivered" in line for line in lines)


def test_first_screen_draws_the_direction_that_loses() -> None:
    lines = screen(document(PROJECT / "pcaps" / "faults" / "mtu-blackhole.pcapng"))
    assert "    B/ens33 ─4 lost─▶ client/eth0 ◆ the rest delivered" in lines


def test_first_screen_says_that_what_arrived_got_no_answer() -> None:
    lines = screen(document(PROJECT / "pcaps" / "faults" / "dns-failure.pcapng"))
    assert "    A/app/eth0 ─▶ A/docker0 ─SNAT─▶ A/ens33 ◆ delivered, no answer seen" in lines


@pytest.mark.parametrize(
    ("fault", "end"),
    [
        ("asymmetric-path", "✗ delivered, the answer leaves by A/ens34 and is lost"),
        ("dns-slow", "◆ delivered, answered after 1.7 s"),
        ("dns-type-unanswered", "✗ delivered, AAAA never answered"),
        ("ecn-blocked", "◆ delivered, accepted only without ECN"),
        ("reset-in-session", "✗ delivered, then reset in the name of B"),
        ("server-slow", "◆ delivered, answered after 1.5 s"),
        ("accepted-then-closed", "✗ web refuses (RST)"),
    ],
)
def test_first_screen_says_what_became_of_a_session(fault: str, end: str) -> None:
    """Each packet arrives, and the session fails; the healthy network's arrives, and that is all."""
    lines = screen(document(PROJECT / "pcaps" / "faults" / f"{fault}.pcapng"))
    assert any(line.endswith(end) for line in lines)
    healthy = screen(document(PROJECT / "pcaps" / "faults" / f"{fault}.healthy.pcapng"))
    assert not any(line.endswith(end) for line in healthy)


def test_icmp_error_is_not_the_flow_that_fails() -> None:
    """Neighbour solicitations and ICMP errors arrive; what they tell of is another flow."""
    lines = screen(document(PROJECT / "pcaps" / "faults" / "neighbour-unanswered.pcapng"))
    assert not any(line.startswith("  icmpv6") or "end not seen" in line for line in lines)


@pytest.mark.parametrize("fault", ["isolated-on-bridge", "tunnel-one-way", "vni-mismatch", "different-networks"])
def test_containers_without_answers_are_not_said_to_talk(fault: str) -> None:
    shown = document(PROJECT / "pcaps" / "faults" / f"{fault}.pcapng")
    text = " ".join(" ".join(screen(shown)).split())
    assert ("Two containers, app (10.20.1.2) and web (10.20.1.3), talk" in text) == (fault == "different-networks")
    assert text.count("talk to each other") == (fault == "different-networks")


@pytest.mark.parametrize("path", sorted((PROJECT / "pcaps").rglob("*.pcapng")), ids=lambda path: path.stem)
def test_every_name_on_the_first_screen_has_its_address_there(path: Path) -> None:
    shown = document(path)
    text = " ".join(" ".join(screen(shown)).split())
    addresses: dict[str, list[str]] = {}
    for names in (shown["names"], *shown["names_at"].values()):
        for address, name in names.items():
            addresses.setdefault(name, []).append(address)
    without_points = re.sub(r"\S*/\S*", "", text)
    used = [name for name in addresses if re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-]|\.\w)", without_points)]
    assert [name for name in used if not any(address in text for address in addresses[name])] == []


@pytest.mark.parametrize(
    ("fault", "drawn"),
    [
        (
            "dead-backend",
            ["tcp B:38780 → A:8080", "A/ens33 ─DNAT─▶ A/docker0 ─▶ A/web/eth0 ✗ web refuses (RST)"],
        ),
        # The frames of the healthy flow are evidence too.
        ("stale-conntrack", ["udp B:40000 → A:5060", "A/ens33 ✗ A answers 'host unreachable' (ICMP)"]),
        (
            "not-masqueraded",
            [
                "tcp app:39759 → B:80",
                "A/app/eth0 ─▶ A/docker0 ─▶ A/ens33 ─▶ B/ens33 ✗ reaches B/ens33, nothing answers",
            ],
        ),
        ("tunnel-refused", ["udp A:45579 → B:4789", "A/ens33 ─▶ B/ens33 ✗ B answers 'port unreachable' (ICMP)"]),
    ],
)
def test_first_screen_draws_what_was_refused(fault: str, drawn: list[str]) -> None:
    """Not the refusal, which arrives."""
    lines = [line.strip() for line in screen(document(PROJECT / "pcaps" / "faults" / f"{fault}.pcapng"))]
    at = lines.index(drawn[0])
    assert lines[at : at + 2] == drawn
