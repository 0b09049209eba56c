"""Links between flows: the same packets at one point and at the next one. `link_building` makes them.

Links in a row are a path. All flows that links join are a flow chain.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np

from capnet.analysis.core.arrays import distinct, is_among
from capnet.analysis.core.results import Delay
from capnet.analysis.core.schema import FlowRows, Mask, PerFlow, PerLink, Values
from capnet.analysis.correlate.link_votes import MAX_HOPS_BEHIND
from capnet.quick_dataclass import frozen

# Confidence that a link joins the same packets.
TCP_CONFIDENCE = 0.99  # one packet is proof enough: 64 bits of sequence numbers
FIRST_PACKET_DOUBT = 0.3  # of other protocols, whose payloads repeat; divided by the packets that match
AMBIGUOUS_DOUBT = 0.5  # part of the confidence that is lost if every packet equals another one


@frozen
class Links:
    """Consecutive hops: one entry per link, from a flow row to the flow row of the next hop.

    Where a flow forks, `after` is the link that most of its packets took. Where flows join, `before` is the link that
    most of them came by. The others are side links.
    """

    source: FlowRows  # of the hop before
    target: FlowRows  # of this hop
    matched: PerLink  # packets seen at both hops
    ambiguous: PerLink  # of those, packets whose digest occurred more than once at one of the two places
    missing: PerLink  # packets of the hop before that this hop does not have, though its point was listening
    missing_acks: PerLink  # of the missing, TCP segments without an octet: no host sends them again
    missing_bytes: PerLink  # their octets that this hop does not have; in a sample, -1 where that is unknown
    outside: PerLink  # packets of the hop before at times when the point of this hop was not listening
    observed: PerLink  # packets of the hop before that were compared
    ttl_delta: PerLink  # median; negative when routed
    delays_ns: PerLink  # (links, 4): minimum, median, 99th percentile, maximum
    is_timed: PerLink  # mask: the clocks of both hops compare
    frames: PerLink  # (links, 2): frame numbers of the first packet seen at both hops
    after: PerFlow  # index of the link that leads on from a flow, -1 if none
    before: PerFlow  # index of the link that leads to a flow, -1 if none

    def __len__(self) -> int:
        return len(self.source)

    def delay(self, link: int) -> Delay | None:
        """Time from hop to hop, in microseconds; None where their clocks do not compare."""
        if not self.is_timed[link]:
            return None
        low, median, p99, high = (float(delay_ns) / 1000 for delay_ns in self.delays_ns[link])
        return Delay(low, median, p99, high)

    def confidences(self, chosen: Values, is_tcp: Mask) -> Values:
        """How certain it is that each of these links joins the same packets, 0 to 1, to three places."""
        matched = self.matched[chosen]
        certain = np.where(is_tcp, TCP_CONFIDENCE, 1 - FIRST_PACKET_DOUBT / (1 + matched))
        certain *= 1 - AMBIGUOUS_DOUBT * self.ambiguous[chosen] / np.maximum(matched, 1)
        return np.array([round(value, 3) for value in certain.tolist()], dtype=np.float64)

    def first_hop(self, row: int) -> int:
        """The first flow row of the main path of a flow row."""
        while self.before[row] >= 0:
            row = int(self.source[self.before[row]])
        return row

    def last_hop(self, row: int) -> int:
        """The last flow row of the main path of a flow row."""
        while self.after[row] >= 0:
            row = int(self.target[self.after[row]])
        return row

    @cached_property
    def is_fork(self) -> Mask:
        """For each link: is it a side link by which packets leave a flow? Its path begins with it."""
        return self.after[self.source] != np.arange(len(self))

    @cached_property
    def leaves_fork(self) -> Mask:
        """For each link: do some packets of the flow that it leaves take another link?"""
        return is_among(self.source, self.source[self.is_fork])

    @cached_property
    def is_join(self) -> Mask:
        """For each link: is it a side link by which packets come into a flow?"""
        return self.before[self.target] != np.arange(len(self))

    @cached_property
    def _following(self) -> memoryview:
        """The link behind each link, -1 if none."""
        return self.after[self.target].data

    @cached_property
    def first_links(self) -> PerLink:
        """The first link of the path of each link."""
        first = np.arange(len(self))
        before = self.before[self.source]
        has_link_before = (before >= 0) & ~self.is_fork
        first[has_link_before] = before[has_link_before]
        return _ends_of_pointers(first)

    def chains(self, through: Mask | None = None) -> Iterator[list[int]]:
        """Paths as lists of links, first hop first. Every link is in one path; behind a join, in two.

        `through`: a mask of links; only paths that have one of these.
        """
        for first in distinct(self.first_links if through is None else self.first_links[through]).tolist():
            yield self.chain(first)

    def chain(self, first: int) -> list[int]:
        """The links of a path from `first` on, of which at most MAX_HOPS_BEHIND lie behind a join.

        Where many flows join one after the other, each of their paths would list all the rest again.
        """
        chain = [first]
        hops_behind = 0
        while (following := self._following[chain[-1]]) >= 0 and hops_behind < MAX_HOPS_BEHIND:
            hops_behind += bool(hops_behind or self.is_join[chain[-1]])
            chain.append(following)
        return chain


def first_link_of_flow(flow_of_link: FlowRows, flow_count: int) -> PerFlow:
    """For each flow row the first link that it has, -1 if none; `flow_of_link`: the source or target of each link."""
    links = np.full(flow_count, -1)
    # Assign in reverse so that the main link, stored first, overwrites the side links.
    links[flow_of_link[::-1]] = np.arange(len(flow_of_link))[::-1]
    return links


def main_chains(pairs: FlowRows, flow_count: int) -> PerFlow:
    """For each flow row the first row of the chain that main pairs make, (n, 2): no flow has two before or after it."""
    first = np.arange(flow_count)
    first[pairs[:, 1]] = pairs[:, 0]
    return _ends_of_pointers(first)


def flow_chains(links: Links, flow_count: int) -> PerFlow:
    """For each flow row the first row of its flow chain; its own for a flow that no link leads to.

    All paths of a flow that forks, and all flows that join, are one chain.
    """
    first = np.arange(flow_count)
    has_before = links.before >= 0  # flooded copies are no target of a link
    first[has_before] = links.source[links.before[has_before]]
    first = _ends_of_pointers(first)
    parent = np.arange(flow_count)

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]  # halves the way to the root, which a row of joins makes long
            row = int(parent[row])
        return row

    for link in np.flatnonzero(links.is_join).tolist():
        parent[root(first[links.source[link]])] = root(first[links.target[link]])
    for row in distinct(first[links.source[links.is_join]]).tolist():
        parent[row] = root(row)
    return parent[first]


def _ends_of_pointers(pointers: Values) -> Values:
    """For each entry the one that its pointers lead to in the end.

    Each round doubles the pointers: as many rounds as the longest way has bits.
    """
    while True:
        doubled = pointers[pointers]
        if (doubled == pointers).all():
            return pointers
        pointers = doubled
