"""What the tests of findings share: findings of a name in a report, and two Docker hosts as a topology."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from capnet.analysis.engine import analyze
from capnet.topology import Container, Host, Interface, Network, PublishedPort, Topology
from tests import stories
from tests.conftest import PROJECT
from tests.story_reports import A, B, read

Findings = list[dict[str, Any]]
PCAP_HEADER, RECORD = 24, struct.Struct("<IIII")  # octets before the first record; its header
CARD_A, CARD_B = "02:00:c0:a8:6f:80", "02:00:c0:a8:6f:81"  # MACs of the hosts' own interfaces


def named(report: dict[str, Any], name: str) -> Findings:
    """The findings with this name."""
    return [finding for finding in report["findings"] if finding["name"] == name]


def of_story(net: stories.Network, folder: Path, name: str, topology: Topology | None = None) -> Findings:
    """The findings with this name about a story."""
    return named(read(net, folder, topology=topology), name)


def of_capture(capture: str, name: str) -> Findings:
    """The findings with this name about a stored capture, by its path in the repository."""
    return named(analyze(PROJECT / capture).to_dict(), name)


def cut_frames(capture: str, octets: int, folder: Path) -> Path:
    """A stored capture in the classic format, as `tcpdump -s OCTETS` would have written it."""
    whole, at = (PROJECT / capture).read_bytes(), PCAP_HEADER
    parts = [whole[:at]]
    while at < len(whole):
        seconds, fraction, size, length = RECORD.unpack_from(whole, at)
        at += RECORD.size + size
        kept = min(size, octets)
        parts += [RECORD.pack(seconds, fraction, kept, length), whole[at - size : at - size + kept]]
    path = folder / Path(capture).name
    path.write_bytes(b"".join(parts))
    return path


def two_hosts(*networks: Network, published: int = 8080) -> Topology:
    """Hosts A and B; A publishes a port of its container `web`."""
    ports = [PublishedPort("tcp", "0.0.0.0", published, 80)]
    return Topology(
        hosts=[
            Host("A", "20.10", "6", [Interface("ens33", 2, CARD_A, [f"{A}/24"])]),
            Host("B", "20.10", "6", [Interface("ens33", 2, CARD_B, [f"{B}/24"])]),
        ],
        networks=list(networks),
        containers=[Container("A", "web", "1", "i", "bridge", ports=ports)],
    )
