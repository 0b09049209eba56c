"""Names of addresses that do not exist are one statement.

reverse_names.pcap was recorded by tcpdump in two network namespaces: a server answers NXDOMAIN about all names.
"""

from pathlib import Path

import pytest

from capnet.analysis.engine import analyze
from capnet.analysis.facts.transport.dns_search import address_of
from tests.story_reports import findings_named

RECORDED = Path(__file__).with_name("reverse_names.pcap")


def test_reverse_names_are_one_statement() -> None:
    """Six answers about five reverse names, and two about names of hosts."""
    findings = findings_named(analyze(RECORDED).to_dict(), "dns-failure")
    assert {(of["facts"]["name"], of["facts"]["answers"]) for of in findings} == {
        ("6.0.18.172.in-addr.arpa", 6),
        ("wrong.example.test", 1),
        ("other.example.test", 1),
    }


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("7.0.18.172.in-addr.arpa", "172.18.0.7"),
        (f"5{'.0' * 29}.d.f.ip6.arpa", "fd00::5"),
        ("0.18.172.in-addr.arpa", "0.18.172.in-addr.arpa"),
        ("b._dns-sd._udp.0.0.18.172.in-addr.arpa", "b._dns-sd._udp.0.0.18.172.in-addr.arpa"),
        ("x.ip6.arpa", "x.ip6.arpa"),
    ],
)
def test_reverse_name_stands_for_its_address(name: str, address: str) -> None:
    assert address_of(name) == address
