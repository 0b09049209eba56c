"""Whether a host translates on its bridges, asked of real rules, in a network namespace of the test's own."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from capnet.errors import EnvironmentLacks
from capnet.record.taps.bridge_translation import translates_on_bridges

BRIDGED = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not BRIDGED.is_file() or BRIDGED.read_text().strip() != "1" or not shutil.which("nft"),
    reason="needs root, br_netfilter and nft",
)
TO_WEB = "-p tcp --dport 80 -j DNAT --to-destination 172.17.0.2:80"
NAT = "table inet own {{ chain pre {{ type nat hook prerouting priority -100; {} ; }}; }}"
FILTER = "table inet firewalld {{ chain forward {{ type filter hook forward priority 10; {} ; }}; }}"


class _Namespace:
    """A shell, in a new namespace each time, after a command that makes rules."""

    host_netns = None

    def __init__(self, make: str) -> None:
        self._make = make

    def run(self, command: Sequence[str], **_: object) -> str:
        script = f'{self._make} || exit 9; exec "$@"'
        done = subprocess.run(
            ["unshare", "-n", "sh", "-c", script, "sh", *command], stdout=subprocess.PIPE, text=True, timeout=30
        )
        if done.returncode == 9:
            pytest.skip("cannot make these rules here")
        if done.returncode:
            raise EnvironmentLacks("no namespace")
        return done.stdout


def of_iptables(words: str, program: str = "iptables") -> str:
    return f"{program} -t nat -A PREROUTING {words} 2>/dev/null"


def of_nft(table: str, rule: str) -> str:
    return f"echo '{table.format(rule)}' | nft -f -"


@pytest.mark.parametrize(
    "make",
    [
        of_iptables(TO_WEB),
        of_iptables(TO_WEB, "iptables-legacy"),
        of_nft(NAT, "tcp dport 80 dnat ip to 172.17.0.2:80"),
        of_nft(NAT, "udp dport 53 dnat ip6 to [fd00::1]:53"),
        of_nft(NAT, "ip daddr 10.9.0.0/24 dnat ip prefix to 10.8.0.0/24"),
    ],
    ids=["iptables", "legacy", "nft", "nft-ip6", "nft-prefix"],
)
def test_rule_for_any_interface_is_told(make: str) -> None:
    assert translates_on_bridges(_Namespace(make))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "make",
    [
        "true",
        of_iptables(f"! -i docker0 {TO_WEB}"),
        of_iptables(f"! -i docker0 {TO_WEB}", "iptables-legacy"),
        of_nft(NAT, 'iifname != "docker0" tcp dport 80 dnat ip to 172.17.0.2:80'),
        of_nft(FILTER, "ct status dnat accept"),
    ],
    ids=["none", "iptables", "legacy", "nft", "firewalld"],
)
def test_rule_that_leaves_the_bridge_out_is_silent(make: str) -> None:
    assert not translates_on_bridges(_Namespace(make))  # type: ignore[arg-type]
