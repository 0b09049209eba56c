"""How far the confidence in network models can be relied on, by captures whose model is known.

    python -m tests.calibration               the golden captures, whole and each point alone, and the made ones
    python -m tests.calibration LABELS -v     others; -v shows what was told wrongly, -vv also what rightly

A line of LABELS is `bridge,overlay<TAB>FILE[,FILE…]`: the models that would be right, or `none-of-them`, then files
that are analyzed together.
Truth: of a golden, the driver that Docker was asked for, or the plugin of CNI; made captures have no model.
A model of 0.5 or more is told. Of what is told with a confidence from 0.5, 0.7 and 0.9 up, at least that share must be
right.
"""

from __future__ import annotations

import struct
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from capnet.analysis.engine import Source, analyze
from capnet.errors import UnreadableInput
from tests.conftest import GOLDENS, MADE
from tests.nameless import nameless

MODELS = ("none", "host", "bridge", "container", "overlay", "macvlan", "ipvlan-l2", "ipvlan-l3")
OF_CNI = ("cni-", "flannel", "kubernetes-")  # scenarios whose pods are on a bridge of the plugin bridge
BINS = (0.5, 0.7, 0.9)  # from each of them up to the next one, at least this share must be right
_INTERFACE, _PACKET, _SECTION = 1, 6, 0x0A0D0D0A


class Labelled(NamedTuple):
    """Files that are analyzed together, and the models that would be right."""

    title: str
    files: tuple[Path, ...]
    right: frozenset[str]


class Told(NamedTuple):
    """A model that was told with 0.5 or more."""

    title: str
    model: str
    confidence: float
    is_right: bool


def model_of(golden: Path) -> str:
    """What Docker or a plugin of CNI was asked for: the scenario's name says it, and docker inspect in the topology."""
    if golden.stem == "cni-ptp":
        return "ptp"
    if golden.stem.startswith(OF_CNI):
        return "bridge"
    return next(model for model in MODELS if golden.stem == model or golden.stem.startswith(f"{model}-"))


def repository(folder: Path) -> Iterator[Labelled]:
    """The captures of this repository: goldens with and without names and topology, their points alone, made ones."""
    for golden in GOLDENS:
        right = frozenset({model_of(golden)})
        yield Labelled(golden.stem, (golden,), right)
        named, unnamed = folder / golden.stem / "named", folder / golden.stem / "unnamed"
        named.mkdir(parents=True)
        unnamed.mkdir()
        copy = named / "saved.pcapng"
        copy.write_bytes(golden.read_bytes())
        yield Labelled(f"{golden.stem} without topology", (copy,), right)
        copy = nameless(golden, unnamed)
        yield Labelled(f"{golden.stem} without names", (copy,), right)
        for kind, capture in (("named", named / "saved.pcapng"), ("nameless", copy)):
            for point in points_alone(capture):
                yield Labelled(f"{golden.stem}, {kind} {point.stem} alone", (point,), right)
    for made in MADE:
        yield Labelled(made.name, (made,), frozenset())


def points_alone(capture: Path) -> list[Path]:
    """A file with each interface of a little-endian pcapng, beside it: `alone0.pcapng` …"""
    blocks = list(_blocks(capture.read_bytes()))
    interfaces = [block for kind, block in blocks if kind == _INTERFACE]
    head = next(block for kind, block in blocks if kind == _SECTION)
    paths = []
    for number, interface in enumerate(interfaces):
        packets = [block for kind, block in blocks if kind == _PACKET and block[8:12] == struct.pack("<I", number)]
        path = capture.with_name(f"alone{number}.pcapng")
        path.write_bytes(head + interface + b"".join(block[:8] + bytes(4) + block[12:] for block in packets))
        paths.append(path)
    return paths


def _blocks(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(type, octets) of each block."""
    at = 0
    while at < len(data):
        kind, length = struct.unpack_from("<II", data, at)
        yield kind, data[at : at + length]
        at += length


def told(labelled: Iterable[Labelled]) -> list[Told]:
    """What is told of these captures. What cannot be read tells nothing."""
    answers = []
    for title, files, right in labelled:
        try:
            report = analyze([Source(file) for file in files])
        except UnreadableInput:
            continue
        answers += [
            Told(title, model.model, model.confidence, model.model in right)
            for model in report.models
            if model.confidence >= BINS[0]
        ]
    return answers


class Bin(NamedTuple):
    """How often what is told with a confidence from `least` up to the next bin is right."""

    least: float
    told: int
    right: int

    @property
    def is_kept(self) -> bool:
        """Is the share right at least the confidence?"""
        return self.right >= self.least * self.told


def bins(answers: Iterable[Told]) -> list[Bin]:
    """One for each of BINS."""
    answers = list(answers)
    table = []
    for least, end in zip(BINS, (*BINS[1:], 2.0), strict=True):
        inside = [answer for answer in answers if least <= answer.confidence < end]
        table.append(Bin(least, len(inside), sum(answer.is_right for answer in inside)))
    return table


def read_labels(path: Path) -> list[Labelled]:
    """The captures that a file of labels names; relative paths are beside it."""
    rows = (line.split("\t") for line in path.read_text().splitlines() if line and not line.startswith("#"))
    return [
        Labelled(files, tuple(path.parent / file for file in files.split(",")), frozenset(models.split(",")))
        for models, files in rows
    ]


def main(arguments: list[str]) -> int:
    """Print the table; 1 if a bin is not kept."""
    paths = [argument for argument in arguments if not argument.startswith("-")]
    with tempfile.TemporaryDirectory() as folder:
        labelled = read_labels(Path(paths[0])) if paths else list(repository(Path(folder)))
        answers = told(labelled)
    table = bins(answers)
    for least, number, right in table:
        print(f"from {least}: {right} of {number} right")
    for answer in sorted(answers, key=lambda answer: (answer.is_right, -answer.confidence, answer.title)):
        if "-vv" in arguments or ("-v" in arguments and not answer.is_right):
            print(f"{'right' if answer.is_right else 'WRONG'} {answer.model} {answer.confidence:.2f}  {answer.title}")
    print(f"{len(labelled)} captures, {len({answer.title for answer in answers})} with a model")
    return 0 if all(row.is_kept for row in table) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
