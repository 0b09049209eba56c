"""Main pairs of flows never lead in a circle: a repeated payload seems to lead from the last hop to the first."""

from __future__ import annotations

import numpy as np
import pytest

from capnet.analysis.correlate.link_votes import main_pairs


@pytest.mark.parametrize("seed", range(20))
def test_the_weakest_pair_of_each_circle_is_left_out(seed: int) -> None:
    """Of random chains and circles, each flow of which leads to one other at most."""
    numbers = np.random.default_rng(seed)
    flows = int(numbers.integers(2, 40))
    targets = numbers.permutation(flows)
    pairs = np.array([(flow, target) for flow, target in enumerate(targets.tolist()) if flow != target])
    pairs = pairs[numbers.random(len(pairs)) < numbers.choice([0.6, 1.0])]
    counts = numbers.permutation(len(pairs)) + 1
    kept = {tuple(pairs[pair].tolist()) for pair in main_pairs(pairs, counts).tolist()} if len(pairs) else set()
    assert kept == _without_weakest(dict(zip(map(tuple, pairs.tolist()), counts.tolist(), strict=True)))


def _without_weakest(votes: dict[tuple[int, int], int]) -> set[tuple[int, int]]:
    """The pairs without the one of fewest votes in each circle, by walking on from each pair."""
    following = dict(votes)
    left_out = set()
    for pair in votes:
        walked = [pair]
        while (ahead := next((other for other in following if other[0] == walked[-1][1]), None)) not in (None, pair):
            walked.append(ahead)
        if ahead == pair:
            left_out.add(min(walked, key=votes.__getitem__))
    return set(votes) - left_out


def test_no_pairs_are_no_circle() -> None:
    assert main_pairs(np.zeros((0, 2), dtype=np.int64), np.zeros(0, dtype=np.int64)).tolist() == []
