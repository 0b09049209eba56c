"""Random offload: a stream is cut, joined, translated and loses pieces; the octets lost are counted at each hop.

The stream crosses a line of places in one direction. Truth is kept as the ranges of octets that passed each of them.
"""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from capnet.analysis.engine import analyze
from tests.stories import Network, Packet, tcp, udp

MSS = 1448
FIRST = 0xFFFFE000  # sequence numbers pass 2**32 on the way
Piece = tuple[int, int]  # first octet and the one behind the last

kinds = st.lists(st.sampled_from(["bridge", "router", "snat", "cut", "join"]), min_size=1, max_size=5)


def cut(pieces: list[Piece]) -> list[Piece]:
    """The pieces as segmentation offload cuts them, of MSS octets at most."""
    return [(at, min(at + MSS, stop)) for start, stop in pieces for at in range(start, stop, MSS)]


def join(pieces: list[Piece]) -> list[Piece]:
    """Neighbours become one, as GRO makes them; a gap stays one."""
    joined: list[Piece] = []
    for start, stop in pieces:
        if joined and joined[-1][1] == start:
            joined[-1] = joined[-1][0], stop
        else:
            joined.append((start, stop))
    return joined


def sent(form: dict[str, Any], piece: Piece, ident: int) -> Packet:
    """A packet with the octets of a piece."""
    start, stop = piece
    seq = FIRST + start & 0xFFFFFFFF
    ends = f"{form['src']}:{form['sport']} > 10.9.0.9:80"
    # Pieces are numbered on from the segment that they were cut from; a joined one has its first one's number.
    return tcp(ends, bytes(stop - start), seq=seq, ack=1, ident=ident + start // MSS & 0xFFFF, ttl=form["ttl"])


@settings(max_examples=40, deadline=None)
@given(
    line=kinds,
    segments=st.lists(st.integers(1, 8), min_size=4, max_size=9),
    losses=st.dictionaries(st.tuples(st.integers(1, 5), st.integers(1, 3)), st.integers(0, 7), max_size=2),
    order=st.randoms(use_true_random=False),
)
@example(["cut", "join", "cut"], [1, 1, 1, 2], {(1, 2): 0}, Random(0))  # joined in the middle: recorded, in another cut
def test_random_offload_counts_the_lost_octets(
    line: list[str], segments: list[int], losses: dict[tuple[int, int], int], order: Any
) -> None:
    """Hops, packets and lost octets are those of the network."""
    names = [f"host{at}/eth{at}" for at in range(len(line) + 1)]
    shuffled = list(names)
    order.shuffle(shuffled)
    net = Network(shuffled)
    lost = [0] * len(names)
    passed = [0] * len(names)
    start = 0
    for number, size in enumerate(segments):
        pieces = [(start, start + size * MSS)]
        start += size * MSS
        form = {"src": "10.1.0.2", "sport": 5555, "ttl": 64}
        hops = [(names[0], [sent(form, piece, 100) for piece in pieces])]
        passed[0] += len(pieces)
        for at, kind in enumerate(line, start=1):
            # Not the first segment: with all of it gone, nothing would show where the flow began.
            which = losses.get((number, at))
            if which is not None and pieces:
                gone = pieces[which % len(pieces)]
                pieces = [piece for piece in pieces if piece != gone]
                lost[at] += gone[1] - gone[0]
            pieces = cut(pieces) if kind == "cut" else join(pieces) if kind == "join" else pieces
            form = dict(form)
            form["ttl"] -= kind in ("router", "snat")
            if kind == "snat":
                form |= {"src": f"192.168.{at}.1", "sport": 40_000 + at}
            hops.append((names[at], [sent(form, piece, 100) for piece in pieces]))
            passed[at] += len(pieces)
        net.pass_by(*hops)
    for name in names:  # every point goes on listening, so that absence means loss
        for moment in (-500.0, net.now + 500):
            net.at(moment, name, udp("198.51.100.1:1 > 198.51.100.2:2", name.encode(), ident=0))

    with tempfile.TemporaryDirectory() as folder:
        report = analyze(net.write(Path(folder)), compiled=False).to_dict()

    (path,) = [path for path in report["paths"] if path["proto"] == "tcp"]
    assert [hop["point"] for hop in path["hops"]] == names
    assert [hop["packets"] for hop in path["hops"]] == passed
    assert [hop["lost_bytes"] for hop in path["hops"][1:]] == lost[1:]
    for (before, hop), octets in zip(pairwise(path["hops"]), lost[1:], strict=True):
        assert (hop["lost"] > 0) == (octets > 0), (before["point"], hop["point"])
    translated = [at for at, kind in enumerate(line, start=1) if kind == "snat"]
    assert sorted(row["after"]["sport"] for row in report["nat"]) == [40_000 + at for at in translated]
