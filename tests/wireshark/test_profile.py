"""The profile `capnet` as tshark reads it, on annotated goldens."""

from __future__ import annotations

import csv
import re
from collections import Counter

import pytest

from capnet.wireshark import parts
from tests.wireshark.tshark import ROOT, annotated, capnet, needs_tshark, tshark, why_no_lua

pytestmark = needs_tshark
PROFILE = ROOT / "capnet" / "wireshark" / "profile"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    done = capnet(folder, "wireshark", "install")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def home_with_fields(home):
    """The button One point is about a field of the Lua plugin."""
    if reason := why_no_lua():
        pytest.skip(reason)
    return home


@pytest.fixture(scope="module")
def bridge(tmp_path_factory):
    return annotated("bridge", tmp_path_factory.mktemp("bridge"))


def test_profile_shows_point_id_and_comment(home, bridge):
    """tshark complains of a line in preferences, colours or buttons that it cannot read."""
    lines = tshark(home, "-C", "capnet", "-r", bridge, "-Y", "frame.number == 92")
    assert lines[0].split()[:3] == ["92", "0.088804754", "A/ens33"]
    assert "3821078088030646435 routed, TTL 64 → 63, SNAT 172.17.0.3 id 14" in lines[0]


def test_profile_has_a_width_for_each_of_its_columns():
    """In the words in which Wireshark's window (4.0.17) saves them; without, it shows ten characters of each."""
    quoted = re.findall(r'"(%[^"]+)"', (PROFILE / "preferences").read_text(encoding="utf-8"))
    columns = [column.removesuffix(":0:R") for column in quoted]
    widths = re.findall(r'^\t"?(%[^",]+)"?, (\d+),?$', (PROFILE / "recent").read_text(encoding="utf-8"), re.MULTILINE)
    assert [column for column, _ in widths] == columns
    assert {column: int(width) for column, width in widths}["%Cus:frame.interface_name"] >= 150


def test_profile_paints_no_retransmissions(home, bridge):
    """Each segment is in the file once for each point that it passed."""
    assert len(tshark(home, "-r", bridge, "-Y", "tcp.analysis.flags")) > 100
    assert tshark(home, "-C", "capnet", "-r", bridge, "-Y", "tcp.analysis.flags") == []


def test_profile_colours_marked_packets_and_keeps_own_rules(home, bridge):
    words = ("-T", "fields", "-e", "frame.coloring_rule.name", "-e", "frame.comment", "--color")
    rules = Counter(tuple(line.split("\t")) for line in tshark(home, "-C", "capnet", "-r", bridge, *words))
    marked = {rule for (rule, *comment), _ in rules.items() if comment and comment[0]}
    assert marked == {"capnet: address rewritten"}
    assert {"ARP", "ICMP"} <= {rule for (rule, *comment), _ in rules.items() if not any(comment)}


def test_profile_colours_tunnels(home, tmp_path):
    marked = annotated("overlay", tmp_path)
    words = ("-T", "fields", "-e", "frame.coloring_rule.name", "-Y", "frame.comment", "--color")
    rules = Counter(tshark(home, "-C", "capnet", "-r", marked, *words))
    assert set(rules) == {"capnet: entered or left a tunnel", "capnet: address rewritten"}
    assert rules["capnet: entered or left a tunnel"] == 62


def buttons():
    lines = (PROFILE / "dfilter_buttons").read_text(encoding="utf-8").splitlines()
    rows = csv.reader(line for line in lines if not line.startswith("#"))
    return {row[1]: re.sub(r"\\x22", '"', row[2]) for row in rows}


# Makes tshark read the ids in its first pass, as Wireshark does when it loads a file.
READ_FIRST = ("-2", "-R", "frame.packet_id || frame")


def test_buttons_select_what_they_say(home_with_fields, bridge):
    home = home_with_fields
    chosen = {
        name: len(tshark(home, *READ_FIRST, "-r", bridge, "-Y", expression)) for name, expression in buttons().items()
    }
    comments = tshark(home, "-r", bridge, "-T", "fields", "-e", "frame.comment", "-Y", "frame.comment")
    assert chosen["Changed"] == chosen["NAT"] == len(comments) == 34
    assert (chosen["Tunnel"], chosen["One point"]) == (0, 0)


def test_one_point_button_selects_dropped_packets(home_with_fields, tmp_path):
    """A rule in DOCKER-USER drops what docker0 would have got."""
    home = home_with_fields
    capture = annotated("faults/docker-user-drop", tmp_path)
    ids = tshark(home, "-r", capture, "-T", "fields", "-e", "frame.packet_id", "-Y", "frame.packet_id")
    words = (*READ_FIRST, "-r", capture, "-T", "fields", "-e", "frame.packet_id", "-Y", buttons()["One point"])
    once = sorted(packet for packet, count in Counter(ids).items() if count == 1)
    assert once == sorted(tshark(home, *words))
    assert len(once) > 2


def test_profile_without_global_colours_has_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "own_colors", lambda path: iter(()))
    done = capnet(tmp_path, "wireshark", "install")
    assert done.returncode == 0
