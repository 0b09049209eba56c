"""Keys chosen to fall into one slot: only who knows a process's secret can make them, and reports do not show it.

Expected by construction: the keys are made from the very formula.
"""

from __future__ import annotations

import random
import struct
import subprocess
import sys
from itertools import islice, product
from pathlib import Path

import numpy as np
import pytest

from capnet import analyze
from capnet.analysis.aggregate import hash_table
from capnet.analysis.aggregate.aggregator import Aggregator
from capnet.analysis.aggregate.hash_table import draw_secret, new_index
from capnet.analysis.aggregate.kernels import hash_table as kernels
from capnet.analysis.aggregate.kernels.flow_record import KEY
from capnet.analysis.aggregate.kernels.hash_table import SECRETS, SLOTS, key_hash
from capnet.analysis.engine import Options, study
from capnet.analysis.trace.packet_ids import second_pass
from capnet.jit.kernel import Machine
from capnet.wire.addresses import address_key
from capnet.wire.capture import open_capture
from tests.bench.floods import FLOODS, MAC_A, MAC_B, colliding_halves, frame, ip, udp, write
from tests.conftest import GOLDENS, PROJECT

pytestmark = pytest.mark.kernels


def collisions(secret: np.ndarray, count: int) -> np.ndarray:
    """Keys with one sum: of each number, whatever the low half takes away, the high half gives back."""
    factors = secret[2 : 2 + 2 * KEY].reshape(KEY, 2).tolist()
    choices = []
    for low, high in factors:
        steps = range(min((1 << 32) // low, (1 << 32) // high) - 1)
        # low * (start - high * k) + high * (low * k) is the same for all k
        choices.append([(high * (len(steps) - k)) | (low * k) << 32 for k in steps])
    keys = np.array(list(islice(product(*choices), count)), dtype=np.uint64)
    return keys.astype(np.int64)


def hashes(keys: np.ndarray, secret: np.ndarray) -> list[int]:
    flat, view = memoryview(keys.reshape(-1)), memoryview(secret)
    return [key_hash(flat, row * KEY, KEY, view, 0) for row in range(len(keys))]


def test_colliding_keys_with_another_secret_do_not_collide() -> None:
    known, other = draw_secret(), draw_secret()
    keys = collisions(known, 500)
    assert len({tuple(key) for key in keys.tolist()}) == 500
    assert len(set(hashes(keys, known))) == 1
    assert len(set(hashes(keys, other))) == 500
    assert len({each & 0xFFFF for each in hashes(keys, other)}) > 450


def test_hash_of_extreme_keys_fits_62_bits() -> None:
    """Compiled, sums that leave 63 bits would be anything; interpreted, they would be longer."""
    largest = np.full(SECRETS, (1 << 29) - 1, dtype=np.int64)
    keys = np.array([[-1] * KEY, [0] * KEY, [-(1 << 63)] * KEY, [(1 << 63) - 1] * KEY], dtype=np.int64)
    machine = Machine(compiled=True)
    for secret in (largest, draw_secret()):
        expected = hashes(keys, secret)
        assert all(0 <= each < 1 << 62 for each in expected)
        index = new_index(16, len(keys))
        index[kernels.SECRET : SLOTS] = secret
        rows = machine.view(keys.reshape(-1).copy())
        machine.run(kernels.reindex)(machine.view(index), rows, KEY, KEY)
        slots = index[SLOTS:]
        assert sorted(slots[slots != 0] >> 32) == sorted(each >> 32 for each in expected)


@pytest.mark.by_turns
@pytest.mark.parametrize("size", [None, 1 << 24])
@pytest.mark.parametrize("name", sorted(FLOODS))
def test_rows_of_floods_are_near_their_slots(tmp_path: Path, name: str, size: int | None) -> None:
    """Also with room for many rows from the start: the index grows with those that are there."""
    write(tmp_path / "it.pcap", FLOODS[name](1000))
    with open_capture(tmp_path / "it.pcap", compiled=False) as capture:
        aggregator = Aggregator(capture.machine, size=size)
        for block in capture.blocks():
            aggregator.add(block, 0)
    for table in aggregator.hash_tables:
        slots = len(table.index) - SLOTS
        assert 2 * table.count <= slots
        rows, index = memoryview(table.flat), memoryview(table.index)
        away = 0
        for slot in np.flatnonzero(table.index[SLOTS:]).tolist():
            row = kernels.row_of(index[SLOTS + slot])
            away += (slot - key_hash(rows, row * table.width, table.keys, index, kernels.SECRET)) % slots
        assert away <= 2 * table.count  # linear probing, at most half full: half a step on average (Knuth 6.4)


@pytest.mark.by_turns
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("path", [*GOLDENS[::4], "vnis", "macs"], ids=lambda path: getattr(path, "name", path))
def test_report_with_another_secret_is_the_same(path: Path | str, compiled: bool, tmp_path: Path, monkeypatch) -> None:
    if isinstance(path, str):
        write(tmp_path / "it.pcap", FLOODS[path](500))
        path = tmp_path / "it.pcap"
    reports = []
    for _ in range(3):
        monkeypatch.setattr(hash_table, "SECRET", draw_secret())
        reports.append(analyze(path, compiled=compiled).to_dict())
    assert reports[0] == reports[1] == reports[2]


def test_address_keys_of_colliding_numbers_differ() -> None:
    some = random.Random(1)
    pairs = [colliding_halves(some) for _ in range(200)]
    assert len({hash(pair) for pair in pairs}) == 1
    assert len({hash(address_key(*pair)) for pair in pairs}) == 200


def test_addresses_in_one_bucket_take_seconds(tmp_path: Path) -> None:
    """98 KB: each of 512 tunnels listed all addresses that are in tunnels, and each was compared with all others."""
    write(tmp_path / "it.pcap", FLOODS["one_bucket_inside"](1000))
    command = [sys.executable, "-m", "capnet", "analyze", str(tmp_path / "it.pcap")]
    subprocess.run(command, cwd=PROJECT, stdout=subprocess.DEVNULL, timeout=60, check=True)


@pytest.mark.parametrize("compiled", [False, True])
def test_packet_ids_with_another_secret_are_the_same(compiled: bool, tmp_path: Path, monkeypatch) -> None:
    """Also where one of several equal packets was lost, so that the k-th here is not the k-th there."""
    beacon = frame(MAC_A, MAC_B, 0x800, ip(0x0A000001, 0x0A000002, 17, udp(1, 2, b"again"), 0))
    routed = beacon[:22] + b"\x3f" + beacon[23:]
    for name, data, late, sent in (("here", beacon, 0, range(6)), ("there", routed, 200, (0, 1, 3, 4, 5))):
        records = b"".join(struct.pack("<IIII", 1_700_000_000 + n, late, len(data), len(data)) + data for n in sent)
        (tmp_path / name).write_bytes(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1) + records)
    found = []
    for _ in range(3):
        monkeypatch.setattr(hash_table, "SECRET", draw_secret())
        named = second_pass(study([tmp_path / "here", tmp_path / "there"], options=Options(compiled=compiled)))
        found.append([each.ids.tolist() for each in named])
    assert found[0] == found[1] == found[2]
    here, there = found[0]
    assert there == here[:2] + here[3:]
