"""Links between flows whose packets are the same: what paths and trails are made of. `link_building` finds them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from capnet.analysis.core.arrays import among, distinct
from capnet.analysis.core.results import Delay
from capnet.analysis.correlate.link_votes import MOST_BEHIND


@dataclass(frozen=True)
class Links:
    """Consecutive hops: one entry per link from a flow row to the flow row of the next hop.

    All arrays have one entry per link but `after` and `before`, which have one per flow: index of the link that leads
    on from it, or to it, -1 if none. Times are ns.

    Where a flow forks, `after` is the link that most of its packets took, where flows join, `before` the link that most
    of them came by; the others are side links.
    """

    source: np.ndarray  # flow row of the hop before
    target: np.ndarray  # flow row of this hop
    matched: np.ndarray  # packets seen at both
    ambiguous: np.ndarray  # of those, packets whose digest occurred more than once at one of the places
    missing: np.ndarray  # packets of the hop before that are not here, though this point was listening
    missing_bytes: np.ndarray  # octets of theirs that are not here; in a sample, -1 where that is unknown
    outside: np.ndarray  # packets of the hop before at times when this point was not listening
    observed: np.ndarray  # packets of the hop before that were compared
    ttl_delta: np.ndarray  # median, negative when routed
    delays_ns: np.ndarray  # (n, 4): min, median, 99th percentile, max
    is_timed: np.ndarray  # whether the clocks of both hops compare
    frames: np.ndarray  # (n, 2): frame numbers of the first packet seen at both
    after: np.ndarray
    before: np.ndarray

    def __len__(self) -> int:
        return len(self.source)

    def delay(self, link: int) -> Delay | None:
        """Time from hop to hop, in microseconds; None where their clocks do not compare."""
        if not self.is_timed[link]:
            return None
        low, median, p99, high = (float(value) / 1000 for value in self.delays_ns[link])
        return Delay(low, median, p99, high)

    def confidence(self, link: int, tcp: bool) -> float:
        """How sure it is that this link joins the same packets, 0 to 1.

        One TCP packet is proof enough (64 bits of sequence numbers); other payloads convince by repetition.
        """
        matched = int(self.matched[link])
        base = 0.99 if tcp else 1 - 0.3 / (1 + matched)
        return round(base * (1 - 0.5 * int(self.ambiguous[link]) / max(matched, 1)), 3)

    @cached_property
    def is_fork(self) -> np.ndarray:
        """Per link, is it a side link by which packets leave a flow? The path that it leads to begins with it."""
        return self.after[self.source] != np.arange(len(self))

    @cached_property
    def leaves_fork(self) -> np.ndarray:
        """Per link, does the flow that it leaves fork? Some of its packets took another one."""
        return among(self.source, self.source[self.is_fork])

    @cached_property
    def is_join(self) -> np.ndarray:
        """Per link, is it a side link by which packets come into a flow?"""
        return self.before[self.target] != np.arange(len(self))

    @cached_property
    def first_links(self) -> np.ndarray:
        """Per link, the first link of its path."""
        first = np.arange(len(self))
        before = self.before[self.source]
        further = (before >= 0) & ~self.is_fork
        first[further] = before[further]
        return _followed(first)

    def chains(self, through: np.ndarray | None = None) -> Iterator[list[int]]:
        """Paths as lists of link indexes, first hop first. Every link is in one; behind where flows join, in two.

        `through`: a mask of links; only paths that have one of these.
        """
        for first in distinct(self.first_links if through is None else self.first_links[through]).tolist():
            yield self.chain(first)

    def chain(self, first: int) -> list[int]:
        """The links of a path from `first` on.

        No more than MOST_BEHIND of them behind where it joins another one: where many join one after the other, each
        would tell all the rest anew.
        """
        chain = [first]
        behind = 0
        while (onward := int(self.after[self.target[chain[-1]]])) >= 0 and behind < MOST_BEHIND:
            behind += bool(behind or self.is_join[chain[-1]])
            chain.append(onward)
        return chain


def flow_chains(found: Links, flows: int) -> np.ndarray:
    """Per flow row: the row of the first hop of its trail; its own for a flow that no link leads to.

    All ways of a flow that forks, and all flows that join, are one trail.
    """
    first = np.arange(flows)
    first[found.target] = found.source[found.before[found.target]]
    first = _followed(first)
    joined = np.arange(flows)

    def one_trail(row: int) -> int:
        while joined[row] != row:
            joined[row] = joined[joined[row]]  # ways are halved, so that no chain of joins makes them long
            row = int(joined[row])
        return row

    for link in np.flatnonzero(found.is_join).tolist():
        joined[one_trail(first[found.source[link]])] = one_trail(first[found.target[link]])
    for row in distinct(first[found.source[found.is_join]]).tolist():
        joined[row] = one_trail(row)
    return joined[first]


def _followed(pointers: np.ndarray) -> np.ndarray:
    """Per entry, where its pointer leads in the end. They are doubled: as many rounds as the longest way has bits."""
    while True:
        further = pointers[pointers]
        if (further == pointers).all():
            return pointers
        pointers = further
