"""A study taken between two blocks is that of a capture that ends there, and leaves the pass as it was."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from capnet.analysis.engine import Options, Source, analyze, study
from capnet.analysis.facts.volume.flow_rates import flow_rates, volumes
from tests.conftest import PROJECT

pytestmark = pytest.mark.kernels

GOLDENS = [PROJECT / "pcaps" / f"{name}.pcapng" for name in ("bridge", "overlay", "macvlan")]


@pytest.mark.parametrize("is_compiled", [False, True])
@pytest.mark.parametrize("path", GOLDENS, ids=lambda path: path.stem)
def test_study_after_the_last_block_is_the_report(path: Path, is_compiled: bool) -> None:
    looks = []
    options = Options(compiled=is_compiled, threads=1)
    final = study(path, options=options, between=lambda so_far: looks.append(so_far().report.to_json()))
    assert looks[-1] == final.report.to_json() == analyze(path, compiled=is_compiled).to_json()


def test_each_look_is_the_report_on_a_shorter_capture(tmp_path: Path) -> None:
    """A pcap of several blocks, cut where a block ends."""
    path = tmp_path / "long.pcap"
    whole = (PROJECT / "tests" / "made" / "tcp.pcap").read_bytes()
    path.write_bytes(whole[:24] + whole[24:] * 1500)
    looks: list[tuple[int, str]] = []

    def look(so_far) -> None:
        report = so_far().report
        looks.append((report.coverage.frames, report.to_json()))

    study(path, options=Options(threads=1, compiled=False), between=look)
    assert len(looks) > 1
    frames, seen = looks[0]
    content = path.read_bytes()
    at, count = 24, 0
    while count < frames:
        at += 16 + int.from_bytes(content[at + 8 : at + 12], "little")
        count += 1
    path.write_bytes(content[:at])
    cut = json.loads(analyze(path, compiled=False).to_json())
    told = json.loads(seen)
    cut["inputs"][0].pop("bytes")
    told["inputs"][0].pop("bytes")  # of the file, which is longer
    assert told == cut


def test_rates_are_what_was_added(tmp_path: Path) -> None:
    looks = []
    study(GOLDENS[0], options=Options(threads=1, compiled=False), between=lambda so_far: looks.append(so_far()))
    context = looks[-1].context
    half = volumes(context) // 2
    rates = flow_rates(context, half, seconds=2.0)
    gained = volumes(context) - half
    for rate in rates:
        assert rate.bytes_per_second <= gained[:, 1].sum() / 2
    assert sum(rate.packets for rate in rates) == volumes(context)[:, 0].sum()
    assert np.isclose(sum(rate.bytes_per_second for rate in rates), gained[:, 1].sum() / 2)
    assert all(rate.bytes_per_second == 0 for rate in flow_rates(context, None, 1.0))


def test_connections_to_one_service_are_one_group() -> None:
    """bbox asks web:80 and B's port 7000; answers are groups of their own."""
    report = study(Source(GOLDENS[0]), options=replace(Options(), threads=1))
    groups = [
        (rate.flow.src, rate.flow.dst, rate.service_is_source)
        for rate in flow_rates(report.context, None, 1.0)
        if rate.flow.proto == "tcp" and rate.flow.point == "A/docker0"
    ]
    assert ("172.17.0.3", "172.17.0.2", False) in groups
    assert ("172.17.0.2", "172.17.0.3", True) in groups
    assert len(groups) == len(set(groups))
