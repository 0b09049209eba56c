"""offload-oversize-frames: packets larger than any MTU."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import Findings, of_story
from tests.stories import Network, tcp
from tests.story_reports import A, B


def segment(folder: Path, point: str, octets: int) -> Findings:
    """The findings about one TCP segment with so many octets of payload."""
    net = Network([point])
    net.pass_by((point, tcp(f"{A}:5555 > {B}:80", bytes(octets), seq=1, ident=1)))
    return of_story(net, folder, "offload-oversize-frames")


def test_segment_above_any_mtu_is_told(tmp_path: Path) -> None:
    (finding,) = segment(tmp_path, "A/ens33", 60_000)
    assert finding["facts"] == {"largest": 60_040, "points": ["A/ens33"]}  # and 40 octets of headers
    assert finding["level"] == "info"


@pytest.mark.parametrize(("point", "octets"), [("A/ens33", 9000), ("A/web/lo", 60_000)], ids=["jumbo", "loopback"])
def test_segment_that_an_mtu_allows_is_silent(tmp_path: Path, point: str, octets: int) -> None:
    assert segment(tmp_path, point, octets) == []


def test_length_field_beyond_its_frame_is_silent(tmp_path: Path) -> None:
    """A fuzzer wrote 43,690 into the header of a frame of 354 octets: no card has cut anything."""
    frame = bytearray(tcp(f"{A}:5555 > {B}:80", bytes(300), seq=1, ident=1).frame())
    frame[16:18] = (43_690).to_bytes(2, "big")
    net = Network(["A/ens33"])
    net.at(0, "A/ens33", bytes(frame))
    assert of_story(net, tmp_path, "offload-oversize-frames") == []
