"""Lines of `conntrack -L -o extended`, as a topology holds them: whole ones, and damaged ones, which are no entries."""

from __future__ import annotations

import pytest

from capnet.analysis.facts.nat.conntrack import parse
from capnet.analysis.facts.nat.tuples import FlowTuple

TCP = (
    "ipv4 2 tcp 6 100 ESTABLISHED src=172.17.0.3 dst=10.9.0.5 sport=40000 dport=80 "
    "src=10.9.0.5 dst=192.168.111.128 sport=80 dport=40000 [ASSURED] mark=0 use=1"
)
PING = (
    "ipv4 2 icmp 1 29 src=172.17.0.3 dst=10.9.0.5 type=8 code=0 id=14 "
    "src=10.9.0.5 dst=192.168.111.128 type=0 code=0 id=14 mark=0 use=1"
)


def test_masqueraded_connection_is_read() -> None:
    entry = parse(TCP)
    assert entry is not None
    assert (entry.proto, entry.replied) == ("tcp", True)
    assert entry.before == FlowTuple("172.17.0.3", 40000, "10.9.0.5", 80)
    assert entry.after == FlowTuple("192.168.111.128", 40000, "10.9.0.5", 80)


@pytest.mark.parametrize(
    ("line", "whole", "damaged"),
    [
        (TCP, "src=172.17.0.3", "src=foo"),
        (TCP, "dst=192.168.111.128", "dst=192.168.111.1280"),
        (TCP, "sport=40000", "sport=x"),
        (TCP, "dport=80 ", "dport=65536 "),
        (TCP, " sport=80 dport=40000", ""),
        (PING, "id=14 mark", "id=-1 mark"),
        (PING, "id=14 mark", f"id={1 << 64} mark"),
        (PING, "icmp", "icmp6"),
    ],
)
def test_damaged_line_is_no_entry(line: str, whole: str, damaged: str) -> None:
    assert parse(line) is not None and whole in line
    assert parse(line.replace(whole, damaged, 1)) is None
