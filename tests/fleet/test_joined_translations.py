"""A connection before and behind NAT, in captures of which none shows both ends of the way: joined only with evidence.

The captures are points of the stored scenario `bridge`: a container asks B:7000, which sees the host's address.
"""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest

from capnet.fleet.joined.aliases import Aliases
from capnet.fleet.joined.connections import AFTER, BEFORE, KEY, TRANSLATION
from tests.fleet.inline import GOLDENS, run_fleet
from tests.points import split

SERVER_PORT = 7000
SECOND = 1_000_000_000


@pytest.fixture(scope="module")
def points(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A file for each point, by its name."""
    files = split(GOLDENS / "bridge.pcapng", tmp_path_factory.mktemp("points") / "own", named=True)
    return {file.name: file for file in files}


def of_point(points: dict[str, Path], words: str) -> Path:
    (file,) = [file for name, file in points.items() if words in name]
    return file


def joined(folder: Path) -> dict[int, list[tuple[str, bool]]]:
    """Connection to the server → (file, translated) of each row, of the newest run."""
    lines = (folder / "out" / "joined" / "joined.jsonl").read_text().splitlines()
    rows: dict[int, list[tuple[str, bool]]] = {}
    for row in map(json.loads, lines):
        if SERVER_PORT in (row["low_port"], row["high_port"]) and row["proto"] == "tcp":
            rows.setdefault(row["connection"], []).append((Path(row["file"]).name, row["translated"]))
    return rows


def test_capture_that_shows_both_forms_joins_two_others(points: dict[str, Path], tmp_path: Path) -> None:
    """Container's point, server's point, and a host between them: one connection in three captures."""
    captures = tmp_path / "captures"
    captures.mkdir()
    shutil.copy(of_point(points, "bbox__eth0"), captures / "inside.pcap")
    shutil.copy(of_point(points, "B__ens33"), captures / "outside.pcap")
    run_fleet([captures], tmp_path / "out")
    assert joined(tmp_path) == {}  # nothing says that these are one
    shutil.copy(GOLDENS / "bridge.pcapng", captures / "host.pcapng")
    run_fleet([captures], tmp_path / "out")
    (rows,) = joined(tmp_path).values()
    assert sorted(rows) == [("host.pcapng", False), ("host.pcapng", True), ("inside.pcap", False),
                            ("outside.pcap", True)]  # fmt: skip


def test_conntrack_of_a_topology_is_evidence(points: dict[str, Path], tmp_path: Path) -> None:
    """The kernel's own entry says what the container's connection became."""
    captures = tmp_path / "captures"
    captures.mkdir()
    shutil.copy(of_point(points, "bbox__eth0"), captures / "inside.pcap")
    shutil.copy(of_point(points, "B__ens33"), captures / "outside.pcap")
    shutil.copy(GOLDENS / "bridge.topology.json", captures / "inside.topology.json")
    run_fleet([captures], tmp_path / "out")
    (rows,) = joined(tmp_path).values()
    assert sorted(rows) == [("inside.pcap", False), ("outside.pcap", True)]


@pytest.mark.parametrize(
    ("host_ip", "is_joined"), [("0.0.0.0", True), ("192.168.111.128", True), ("192.168.111.1", False)]
)
def test_published_port_of_a_topology_is_evidence(
    points: dict[str, Path], tmp_path: Path, host_ip: str, is_joined: bool
) -> None:
    """B asks A:8080, which leads to the container's port 80: neither a packet nor conntrack shows both forms."""
    captures = tmp_path / "captures"
    captures.mkdir()
    shutil.copy(of_point(points, "B__ens33"), captures / "outside.pcap")
    shutil.copy(of_point(points, "web__eth0"), captures / "inside.pcap")
    topology = json.loads((GOLDENS / "bridge.topology.json").read_text())
    for host in topology["hosts"]:
        host["conntrack"] = []
    topology["containers"][0]["ports"][0]["host_ip"] = host_ip
    (captures / "outside.topology.json").write_text(json.dumps(topology))
    run_fleet([captures], tmp_path / "out")
    lines = (tmp_path / "out" / "joined" / "joined.jsonl").read_text().splitlines()
    rows = [(Path(row["file"]).name, row["translated"]) for row in map(json.loads, lines) if row["proto"] == "tcp"]
    assert sorted(rows) == [("inside.pcap", True), ("outside.pcap", False)] * is_joined


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A file for each point of the stored scenario `overlay-service`, by its name."""
    files = split(GOLDENS / "overlay-service.pcapng", tmp_path_factory.mktemp("mesh") / "own", named=True)
    return {file.name: file for file in files}


def routed(mesh: dict[str, Path], folder: Path, inside: str, mode: str = "ingress") -> list[tuple[str, bool]]:
    """(file, translated) of what joins B's requests to A:8080, a service's port, with a capture at another point."""
    captures = folder / "captures"
    captures.mkdir()
    shutil.copy(of_point(mesh, "B__ens33"), captures / "outside.pcap")
    shutil.copy(of_point(mesh, inside), captures / "inside.pcap")
    topology = json.loads((GOLDENS / "overlay-service.topology.json").read_text())
    for host in topology["hosts"]:
        host["conntrack"] = []
    for container in topology["containers"]:
        if container["name"].startswith("web."):
            container["swarm_service"] = "web"
        if container["name"] == "ingress-sbox":
            container["balances"] = "ingress"
    port = {"proto": "tcp", "published_port": 8080, "target_port": 80, "mode": mode}
    topology["services"] = [{"name": "web", "id": "w", "endpoint_mode": "vip", "vips": [], "ports": [port]}]
    (captures / "outside.topology.json").write_text(json.dumps(topology))
    run_fleet([captures], folder / "out")
    lines = (folder / "out" / "joined" / "joined.jsonl").read_text().splitlines()
    rows = [row for row in map(json.loads, lines) if 8080 in (row["low_port"], row["high_port"])]
    return sorted((Path(row["file"]).name, row["translated"]) for row in rows)


@pytest.mark.parametrize(
    ("inside", "connections", "is_seen_twice"),
    [("docker_gwbridge", 2, True), ("balancer:ingress__eth1", 2, True), ("web.2__eth0", 1, False)],
)
def test_published_port_of_a_service_is_evidence(
    mesh: dict[str, Path], tmp_path: Path, inside: str, connections: int, is_seen_twice: bool
) -> None:
    """tshark shows both connections at the bridge of the sandbox, as to 172.18.0.2:8080, and one at each task.

    The one to the task on B comes back to B's NIC in a tunnel.
    """
    expected = [("inside.pcap", True), ("outside.pcap", False)] * connections + [("outside.pcap", True)] * is_seen_twice
    assert routed(mesh, tmp_path, inside) == sorted(expected)


def test_port_in_host_mode_leads_to_no_sandbox(mesh: dict[str, Path], tmp_path: Path) -> None:
    assert routed(mesh, tmp_path, "docker_gwbridge", mode="host") == []


def test_other_sequence_number_is_another_connection(points: dict[str, Path], tmp_path: Path) -> None:
    """Ends and time alone do not join TCP: docker-proxy's own connection has another first sequence number."""
    captures = tmp_path / "captures"
    captures.mkdir()
    shutil.copy(of_point(points, "B__ens33"), captures / "outside.pcap")
    shutil.copy(GOLDENS / "bridge.topology.json", captures / "outside.topology.json")
    data, at = bytearray(of_point(points, "web__eth0").read_bytes()), 24
    while at < len(data):  # another number in each TCP segment
        (length,) = struct.unpack_from("<I", data, at + 8)
        if data[at + 16 + 12 : at + 16 + 14] == b"\x08\x00" and data[at + 16 + 23] == 6:
            data[at + 16 + 38] ^= 1
        at += 16 + length
    (captures / "inside.pcap").write_bytes(data)
    run_fleet([captures], tmp_path / "out")
    assert "tcp" not in (tmp_path / "out" / "joined" / "joined.jsonl").read_text()


def translations(tmp_path: Path, *rows: tuple[int, int, int, int]) -> Aliases:
    """Of (key before, key after, first, last in seconds)."""
    array = np.zeros(len(rows), dtype=TRANSLATION)
    for number, (before, after, first, last) in enumerate(rows):
        for side, key in ((BEFORE, before), (AFTER, after)):
            array[number][side + "ports"] = array[number][side + "hash"] = key
        array[number]["first"], array[number]["last"] = first * SECOND, last * SECOND
    np.save(tmp_path / "t.npy", array)
    return Aliases([tmp_path / "t.npy"], SECOND)


def first_key(aliases: Aliases, key: int, first: int, last: int) -> int | None:
    """The key before all translations of a connection; None if it is its own."""
    row = np.zeros(1, dtype=[*((name, "i8") for name in KEY), ("first", "i8"), ("last", "i8")])
    row["ports"], row["first"], row["last"] = key, first * SECOND, last * SECOND
    (number,) = aliases.of(np.array([key], dtype=np.uint64), row).tolist()
    return None if number < 0 else int(aliases.rows[BEFORE + "ports"][number])


def test_translation_counts_while_it_lasts(tmp_path: Path) -> None:
    """A port of the host is another connection's later; two at one time are no evidence for either."""
    aliases = translations(tmp_path, (1, 9, 0, 10), (2, 9, 60, 70), (3, 8, 0, 10), (4, 8, 5, 10))
    assert first_key(aliases, 9, 2, 3) == 1
    assert first_key(aliases, 9, 61, 62) == 2
    assert first_key(aliases, 9, 30, 31) is None
    assert first_key(aliases, 9, 2, 65) is None
    assert first_key(aliases, 8, 6, 7) is None
    assert first_key(aliases, 7, 0, 9) is None


def test_two_translators_lead_to_the_first_key(tmp_path: Path) -> None:
    """A published port, and the masquerade of the host before it; a circle ends."""
    aliases = translations(tmp_path, (1, 2, 0, 10), (2, 3, 0, 10), (3, 4, 0, 10))
    assert first_key(aliases, 4, 1, 2) == 1
    assert first_key(translations(tmp_path, (1, 2, 0, 9), (2, 1, 0, 9)), 1, 1, 2) is not None
