"""Which entries of a connection table had packets between two looks at it."""

from __future__ import annotations

import pytest

from capnet.record.find.connections import ConnectionTable

# Lines as `conntrack -L -o extended` of conntrack-tools 1.4.7 prints them.
PING = (
    "ipv4 2 icmp 1 {} src=172.17.0.3 dst=192.168.111.129 type=8 code=0 id=14 "
    "src=192.168.111.129 dst=192.168.111.128 type=0 code=0 id=14 mark=0 use=1"
)
FETCH = (
    "ipv4 2 tcp 6 {} {} src=172.17.0.3 dst=192.168.111.129 sport=40000 dport=7000 "
    "src=192.168.111.129 dst=192.168.111.128 sport=7000 dport=40000 [ASSURED] mark=0 use=1"
)


def table(line: str, moment: float) -> ConnectionTable:
    return ConnectionTable([line], moment, moment + 0.1)


@pytest.mark.parametrize("left", [20, 21, 22])
def test_entry_that_only_ran_down_is_not_used(left: int) -> None:
    assert table(PING.format(left), 105).used_since(table(PING.format(26), 100)) == []


@pytest.mark.parametrize("left", [24, 29])
def test_entry_renewed_within_timeout_is_used(left: int) -> None:
    """Two runs one after the other: busybox's ping takes its process id, the same in every new container."""
    again = PING.format(left)
    assert table(again, 105).used_since(table(PING.format(26), 100)) == [again]


def test_entry_closed_since_is_used() -> None:
    closed = FETCH.format(118, "TIME_WAIT")
    assert table(closed, 105).used_since(table(FETCH.format(431998, "ESTABLISHED"), 100)) == [closed]


def test_new_entry_is_used() -> None:
    assert table(PING.format(3), 105).used_since(table(FETCH.format(80, "TIME_WAIT"), 100)) == [PING.format(3)]
