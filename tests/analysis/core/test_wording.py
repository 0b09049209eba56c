"""Sentences of findings: values, counted things, and names from a capture that look like templates."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import capnet.analysis
from capnet.analysis.core.wording import Text, endpoint_text, finding_name, several, with_commands_of_family

LOST = Text(en="{lost:TCP packet} of {total:,} at {point}", zh="")


@pytest.mark.parametrize(
    ("lost", "words"),
    [
        (0, "0 TCP packets"),
        (1, "1 TCP packet"),
        (2, "2 TCP packets"),
        (np.int64(2), "2 TCP packets"),
        (1500, "1,500 TCP packets"),
    ],
)
def test_text_counts_things_in_plural(lost: int, words: str) -> None:
    assert LOST.fill(lost=lost, total=1500, point="A/ens33") == f"{words} of 1,500 at A/ens33"


@pytest.mark.parametrize(("lost", "words"), [(0, "they were"), (1, "it was"), (2, "they were")])
def test_text_refers_to_one_or_several(lost: int, words: str) -> None:
    assert Text(en="{lost:it was|they were} lost", zh="").fill(lost=lost) == f"{words} lost"


@pytest.mark.parametrize(
    ("says", "is_v6"),
    [
        ("fd77::1 rejects tcp from fd77::8 to [fd60::5]:8080", True),
        ("2001:db8:0:1:2:3:4:5 rejects it", True),
        ("10.77.1.1 rejects tcp from fd77::8", False),
        ("10.77.1.1 rejects tcp from 10.77.1.8", False),
        ("f6:0d:0b:33:65:c3 rejects it at 21:03:14", False),
        ("std::string rejects it", False),
    ],
)
def test_commands_are_of_the_family_of_the_addresses(says: str, is_v6: bool) -> None:
    fix = "see `iptables -vnL`, `ip6tables -vnL`, `arptables -vnL`, `ip route show table all` and `ip rule`"
    of_v6 = "see `ip6tables -vnL`, `ip6tables -vnL`, `arptables -vnL`, `ip -6 route show table all` and `ip -6 rule`"
    assert with_commands_of_family(fix, says) == (of_v6 if is_v6 else fix)
    assert with_commands_of_family(fix + " of 10.0.0.1", says) == fix + " of 10.0.0.1"


def test_several_words_are_a_list() -> None:
    words = ["a", "b", "c", "d", "e"]
    assert [several(words[:count]) for count in range(5)] == ["", "a", "a and b", "a, b and c", "a, b, c and d"]
    assert several(words) == "a, b, c and 2 more"


def test_text_keeps_braces_of_hostile_values() -> None:
    assert LOST.fill(lost=1, total=2, point="{lost.__class__}") == "1 TCP packet of 2 at {lost.__class__}"


def test_text_without_a_value_fails() -> None:
    with pytest.raises(KeyError):
        LOST.fill(lost=1)


def test_finding_name_is_that_of_its_file() -> None:
    assert finding_name("capnet.analysis.findings.routing_loop") == "routing-loop"


def test_addresses_before_ports_have_brackets_if_ipv6() -> None:
    assert endpoint_text("fd00::2", 80) == "[fd00::2]:80" and endpoint_text("10.0.0.2", 80) == "10.0.0.2:80"
    assert endpoint_text("fd00::2", None) == "fd00::2"
    bare = re.compile(r"\{\w*(?:address|server|client|asked|src|dst|destination\(\w+\))\}:\{[\w.]*port")
    sources = Path(capnet.analysis.__path__[0]).rglob("*.py")
    assert [file.name for file in sources if bare.search(file.read_text())] == ["wording.py"]  # endpoint_text itself
