"""logged-by-rule: what a real router's rules logged, both byte orders, and link types without rules."""

from __future__ import annotations

from click.testing import CliRunner

from capnet.cli import cli
from tests.analysis.findings.reported import of_capture
from tests.conftest import PROJECT

RECORDED = "tests/wire/nflog/nflog.pcap"


def test_rules_of_a_recorded_router_is_told() -> None:
    """Prefix, hook and interfaces are those of the rules in tests/wire/nflog/README.md."""
    facts = [finding["facts"] for finding in of_capture(RECORDED, "logged-by-rule")]
    rows = [(rule["prefix"], rule["hook"], rule["indev"], rule["outdev"], rule["packets"]) for rule in facts]
    assert sorted(rows, key=str) == [
        ("", "OUTPUT", None, 2, 2),
        ("DROP 8080", "FORWARD", 2, 3, 2),
        ("ping in", "INPUT", 2, None, 2),
        ("ping6", "INPUT", 2, None, 1),
    ]
    (says,) = [finding["says"] for finding in of_capture(RECORDED, "logged-by-rule") if "8080" in finding["says"]]
    assert says == '2 packets logged by the rule with prefix "DROP 8080" at FORWARD, from interface 2, to interface 3'


def test_rules_in_both_byte_orders_is_told() -> None:
    little, big = (
        [finding["facts"] for finding in of_capture(f"tests/made/nflog_{order}.pcap", "logged-by-rule")]
        for order in ("le", "be")
    )
    assert little == big
    assert {"prefix": "DROP 8080", "hook": "FORWARD", "indev": 3, "outdev": 4, "packets": 1} in little


def test_interfaces_of_a_cooked_capture_is_silent() -> None:
    assert of_capture("tests/made/sll2.pcap", "logged-by-rule") == []


def test_packet_names_the_rule_that_logged_it() -> None:
    """As the rules of tests/wire/nflog/README.md, for frame 6, and for a header that is cut."""
    shown = [
        CliRunner().invoke(cli, ["packet", str(PROJECT / name), number]).output
        for name, number in ((RECORDED, "6"), ("tests/made/nflog_le.pcap", "5"))
    ]
    assert '  rule      prefix "DROP 8080" at FORWARD, from interface 2, to interface 3\n' in shown[0]
    assert "  rule      no prefix at FORWARD\n" in shown[1]
