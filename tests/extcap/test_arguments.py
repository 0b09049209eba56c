"""Command lines as Wireshark writes them."""

from __future__ import annotations

import pytest

from capnet.extcap.arguments import parse


def test_interfaces_question_with_version_is_read():
    request = parse(["--extcap-interfaces", "--extcap-version=4.0"])
    assert (request.question, request.options) == ("--extcap-interfaces", {"--extcap-version": "4.0"})


def test_capture_of_wireshark_is_read():
    """The order of extcap.c: question, interface, filter, FIFO, control pipes, options of the interface."""
    words = (
        "--capture --extcap-interface capnet:A/web --extcap-capture-filter|port 80|--fifo /tmp/f "
        "--extcap-control-in /tmp/in --extcap-control-out /tmp/out --snaplen 96 --filter|-9 != ip[0]"
    )
    request = parse([part for group in words.split("|") for part in ([group] if " != " in group else group.split())])
    assert request.question == "--capture"
    assert (request.interface, request.options["--fifo"], request.options["--snaplen"]) == (
        "capnet:A/web",
        "/tmp/f",
        "96",
    )


@pytest.mark.parametrize(
    ("words", "joined"),
    [
        ([], ""),
        (["--filter", " tcp "], "tcp"),
        (["--extcap-capture-filter", "port 80 or port 81"], "port 80 or port 81"),
        (["--extcap-capture-filter", "port 80 or arp", "--filter=ip"], "(port 80 or arp) and (ip)"),
        (["--extcap-capture-filter", "-1 < ip[0]"], "-1 < ip[0]"),
    ],
)
def test_both_filters_are_joined(words, joined):
    assert parse(["--capture", *words]).capture_filter == joined


@pytest.mark.parametrize("words", [[], ["--help"], ["capnet:web"], ["--fifo"], ["--fifo", "--capture-x"]])
def test_other_words_ask_nothing(words):
    assert parse(words).question == ""


def test_option_without_value_does_not_take_the_next():
    request = parse(["--extcap-interface", "--capture", "--fifo", "/f"])
    assert (request.question, request.interface, request.options["--fifo"]) == ("--capture", "", "/f")
