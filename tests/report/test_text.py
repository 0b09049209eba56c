"""How numbers, times and hostile strings are written."""

from __future__ import annotations

import re
import sys
import unicodedata

import pytest
from wcwidth import wcswidth, wcwidth

from capnet.report import text
from capnet.report.drawing.text_table import table_lines
from capnet.report.escape import visible, visible_all
from capnet.report.sections.section import Column
from capnet.report.words import Words


@pytest.mark.parametrize(
    ("microseconds", "written"),
    [
        (0, "0"), (0.04, "40 ns"), (5.52, "5.5 µs"), (9.96, "10 µs"), (31, "31 µs"), (999.4, "999 µs"),
        (999.6, "1.00 ms"), (1234, "1.23 ms"), (99_960, "100 ms"), (4.2e6, "4.20 s"), (200e6, "3 min 20 s"),
        (95.5 * 3600e6, "95 h 30 min"), (100 * 3600e6, "4 days"), (63_642 * 3600e6, "2,651 days"),
        (7260e6, "2 h 1 min"), (-12, "−12 µs"),
    ],
)  # fmt: skip
def test_duration_has_three_figures(microseconds, written):
    assert text.duration(microseconds) == written


@pytest.mark.parametrize(
    ("value", "written"), [(0, "0 B"), (999, "999 B"), (1000, "1.00 kB"), (999_600, "1.00 MB"), (5 * 10**15, "5000 TB")]
)
def test_size_has_three_figures(value, written):
    assert text.size(value) == written


def test_listing_never_hides_a_single_word():
    assert text.listing([]) == ""
    assert text.listing(["a", "b"]) == "a and b"
    assert text.listing(list("abcd")) == "a, b, c and d"
    assert text.listing(list("abcde")) == "a, b, c and 2 more"


def test_span_counts_nanoseconds():
    assert text.span("2026-11-23T23:59:59.999999999Z", "2026-11-24T00:00:00.000001000Z") == pytest.approx(1.001)


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[2J", "\\x1b[2J"),
        ("a\u202eb", "a\\u202eb"),
        ("\u200b\ufeff", "\\u200b\\ufeff"),
        ("\x9b31m", "\\x9b31m"),
        ("\U000e0041", "\\U000e0041"),
        ("\udcff", "\\udcff"),  # a byte that was not UTF-8
        ("line\r\n", "line\\x0d\\x0a"),
        ("以太网 é", "以太网 é"),
    ],
)
def test_visible_spells_out_what_is_unprintable(hostile, shown):
    assert visible(hostile) == shown


def test_visible_passes_no_control_or_format_character():
    for code in range(0x110000):
        if unicodedata.category(chr(code)) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"):
            assert visible(chr(code)).startswith("\\"), hex(code)


def test_visible_all_reaches_keys_and_depths():
    assert visible_all({"\x1b": [{"a": "\x07"}, 1, None]}) == {"\\x1b": [{"a": "\\x07"}, 1, None]}


def test_fill_breaks_at_spaces_and_cuts_nothing():
    assert text.fill("one two three", 8) == ["one two", "three"]
    assert text.fill("abcdefghij k", 5) == ["abcd", "↳efgh", "↳ij k"]
    assert text.fill("ab cdefghij", 5, " ", "  ") == [" ab", "  cd", "  ↳ef", "  ↳gh", "  ↳ij"]
    assert text.fill("界界界界 x", 6) == ["界界", "↳界界", "x"]


def heading(title: str, align="left", wrap="never") -> Column:
    return Column(title, str, align, wrap)


def test_table_lines_shrink_wrapping_columns_first():
    columns = [heading("n", "right"), heading("words", wrap="words")]
    lines = table_lines(columns, [["1", "alpha beta gamma delta"]], 20)
    assert lines == ["  n  words", "  1  alpha beta", "     gamma delta"]


def test_table_lines_keep_words_whole():
    rows = [["10.25.132.11 ↔ 10.25.132.13", "a sentence of many words that can be broken anywhere"]]
    lines = table_lines([heading("between", wrap="words"), heading("because", wrap="words")], rows, 40)
    assert {"10.25.132.11", "10.25.132.13"} <= set(" ".join(lines).split())


def test_table_lines_move_column_below_its_row():
    """An address is never broken: a column without room for it stands below."""
    ends = "2001:db8:1234:5678:9abc:def0:1234:5678 → fe80::1"
    headings = [heading("n", "right"), heading("flow", wrap="words"), heading("point", wrap="words")]
    lines = table_lines(headings, [["1", ends, "A/eth0"], ["12", "a → b", "A/eth0"]], 48)
    assert lines == [
        "   n  point",
        "   1  A/eth0",
        "      flow:",
        "        2001:db8:1234:5678:9abc:def0:1234:5678 →",
        "        fe80::1",
        "  12  A/eth0",
        "      flow: a → b",
    ]


def test_words_of_a_long_name_keep_both_ends():
    """Replicas differ in their last character."""
    names = {"10.0.0.1": "x" * 90 + "-1", "10.0.0.2": "x" * 90 + "-2", "10.0.0.3": "shop-frontend-production-web-12"}
    words = Words(names)
    assert words.address("10.0.0.1") != words.address("10.0.0.2")
    assert len(words.address("10.0.0.1")) == 64
    assert words.address("10.0.0.3") == "shop-frontend-production-web-12"


def test_table_lines_leave_out_empty_columns():
    """A table without rows has no lines."""
    assert table_lines([heading("a"), heading("b")], [["", "x"]], 80) == ["  b", "  x"]
    assert table_lines([heading("a")], [], 80) == []


def test_table_lines_of_wide_characters_keep_columns():
    lines = table_lines([heading("name"), heading("n", "right")], [["以太网", "1"], ["eth0", "2"]], 80)
    assert len({text.columns(line) for line in lines}) == 1


def test_flow_has_names_or_whole_addresses():
    words = Words({"172.17.0.2": "web"})

    def says(src, sport, dst, dport, **more):
        return words.flow({"src": src, "sport": sport, "dst": dst, "dport": dport, **more})

    assert says("172.17.0.3", 1, "172.17.0.2", 80) == "172.17.0.3:1 → web:80"
    assert says("192.168.1.1", 1, "192.168.1.2", 80) == "192.168.1.1:1 → 192.168.1.2:80"
    assert says("192.168.1.1", 1, "192.168.2.2", 80) == "192.168.1.1:1 → 192.168.2.2:80"
    assert says("172.17.0.2", 1, "172.17.0.3", 80) == "web:1 → 172.17.0.3:80"
    assert says("fd00::1", 1, "fd00::2", 80) == "[fd00::1]:1 → [fd00::2]:80"
    assert says("172.17.0.2", None, "8.8.8.8", None, id=7) == "web id 7 → 8.8.8.8"


def test_words_introduce_an_address_once():
    words = Words({"10.0.0.2": "web", "10.0.1.2": "web", "10.0.0.3": "bbox"})
    assert words.introduce("10.0.0.2", "10.0.1.2", "10.0.0.9") == "web (10.0.0.2, 10.0.1.2) and 10.0.0.9"
    assert words.mention("10.0.0.2") == "web"
    assert words.mention("10.0.0.3") == "bbox (10.0.0.3)"
    assert words.legend(["10.0.0.2", "10.0.0.3"]) == []


def test_legend_tells_hosts_apart_that_reuse_an_address():
    words = Words(
        {"10.0.0.1": "web"}, names_at={"A/left/eth1": {"172.20.0.3": "left"}, "B/br0": {"172.20.0.3": "right"}}
    )
    assert words.legend(["172.20.0.3", "10.0.0.1"]) == [
        ("left (on A)", "172.20.0.3"), ("right (on B)", "172.20.0.3"), ("web", "10.0.0.1"),
    ]  # fmt: skip
    alone = Words({}, names_at={"A/left/eth1": {"172.20.0.3": "left"}, "A/br0": {"172.20.0.3": "left"}})
    assert alone.legend(["172.20.0.3"]) == [("left", "172.20.0.3")]


def test_seen_at_takes_earliest_frame_of_each_point():
    evidence = [{"point": point, "file": "f", "frame": frame} for point, frame in (("b", 2), ("a", 3), ("a", 9))]
    assert Words({}).seen_at(evidence, ["a", "b", "c"]) == ["a #3", "b #2", "c"]
    assert Words({}).frames(evidence, 3) == ["b #2", "a #3 #9"]
    assert Words({}, one_point=True).frames(evidence[1:], 3) == ["#3 #9"]
    assert Words({}).places(["a", "b", "c"]) == "a and 2 more"


def test_narrow_characters_take_one_column():
    """Against the tables of wcwidth, every character of them."""
    narrow = [char for char in map(chr, range(sys.maxunicode)) if re.match(f"[{text.NARROW}]", char)]
    assert len(narrow) > 500
    assert [char for char in narrow if wcwidth(char) != 1] == []


@pytest.mark.parametrize("line", ["plain", "10 µs → A", "以太网 é", "e\u0301", "👩\u200d💻", "─│…"])
def test_columns_are_those_of_a_terminal(line):
    assert text.columns(line) == wcswidth(line)
    assert all(wcswidth(piece) <= 8 for piece in text.pieces(line * 9, 8))
    assert "".join(text.pieces(line * 9, 8)) == line * 9


def test_changes_of_a_reply_undo_the_translation():
    """conntrack's words; what is no translation is the same both ways."""
    hop = {"point": "A/ens33", "tunnel": None, "change": ["routed", "snat"]}
    before = {"point": "A/docker0", "tunnel": None}
    assert Words({}).changes(before, hop, reply=False) == ["routed", "SNAT"]
    assert Words({}).changes(before, hop, reply=True) == ["routed", "un-DNAT (reply)"]
    assert Words({}).changes(before, {**hop, "change": ["dnat"]}, reply=True) == ["un-SNAT (reply)"]


def test_bridged_is_veth_between_ends_of_one_pair():
    words = Words({}, peers={"A/web/eth0": "A/veth1", "A/veth1": "A/web/eth0"})
    hop = {"point": "A/veth1", "tunnel": None, "change": ["bridged"]}
    assert words.changes({"point": "A/web/eth0", "tunnel": None}, hop, reply=False) == ["veth"]
    assert words.changes({"point": "A/db/eth0", "tunnel": None}, hop, reply=False) == ["bridged"]


@pytest.mark.parametrize(("value", "written"), [(0.0, "<1 µs"), (0.381, "<1 µs"), (-0.2, "<1 µs"), (1.24, "1.2 µs")])
def test_delay_below_a_microsecond_has_no_number(value, written):
    assert text.delay(value) == written
