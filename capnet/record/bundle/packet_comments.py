"""Comments on frames: what happened to the packet since the previous hop."""

from __future__ import annotations

from typing import Any

import numpy as np

from capnet.analysis.core.arrays import distinct
from capnet.analysis.core.flow_rows import destination, echo_id, ports, source
from capnet.analysis.core.schema import FLOW_POINT, FLOW_TTL, FLOW_VIA, FLOW_VIA_VNI, FlowRow, FlowRows, Values
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.engine import Study
from capnet.analysis.facts.outcomes.hop_changes import hop_changes
from capnet.record.bundle.previous_hop import SHAPES
from capnet.report.escape import visible
from capnet.report.words import Words
from capnet.wire.protocols import KIND_OF_NUMBER

MAX_COMMENT_BYTES = 500  # without the frame number; far longer than any that capnet writes
UNCOMMENTED = ("bridged", "wire")  # these happen to every packet

_ADDRESSES = Words({})  # addresses stand for themselves


class PacketComments:
    """The comments on frames, as bytes for the kernel: made when a flow is first met."""

    def __init__(self, study: Study) -> None:
        self.context = study.context
        self.links = flow_links(study.context)
        self.texts = np.zeros(1 << 12, dtype=np.uint8)
        self._end = 0
        count = len(study.context.flows) * len(SHAPES)
        self._from = np.full(count, -2, dtype=np.int64)  # -2: not met, -1: nothing to say
        self._to = np.full(count, -1, dtype=np.int64)
        self._joined = np.zeros(len(study.context.flows), dtype=bool)
        self._joined[self.links.target[self.links.is_join]] = True
        # The first hop of a path has no hop before it.
        self._from[np.repeat(self.links.before < 0, len(SHAPES))] = -1

    def of(self, flows: FlowRows, shape: Values, since: Values) -> tuple[Values, Values]:
        """Where in `texts` the comments of flow rows and shapes (`previous_hop.SHAPES`) begin and end, -1: no comment.

        `since`: the packet's frame at the previous hop, 0: none. Where flows join, a packet without one may have come
        from another flow, so it gets no comment.
        """
        wanted = flows * len(SHAPES) + shape
        for key in distinct(wanted[self._from[wanted] == -2]):
            self._meet(int(key))
        is_known = (since > 0) | ~self._joined[flows]
        return np.where(is_known, self._from[wanted], -1), np.where(is_known, self._to[wanted], -1)

    def _meet(self, wanted: int) -> None:
        flow, shape = divmod(wanted, len(SHAPES))
        link = int(self.links.before[flow])
        text = comment(self.context, int(self.links.source[link]), flow, int(self.links.ttl_delta[link]), SHAPES[shape])
        if not text:
            self._from[wanted] = -1
            return
        raw = text.encode("utf-8", "replace")[:MAX_COMMENT_BYTES].decode("utf-8", "ignore").encode()
        while self._end + len(raw) > len(self.texts):
            self.texts = np.concatenate([self.texts, np.zeros_like(self.texts)])
        self.texts[self._end : self._end + len(raw)] = np.frombuffer(raw, dtype=np.uint8)
        self._from[wanted] = self._end
        self._end += len(raw)
        self._to[wanted] = self._end


def comment(context: Any, before: int, flow: int, ttl_delta: int, shape: str = "") -> str:
    """`DNAT 192.168.111.128:8080 → 172.17.0.2:80, routed, TTL 64 → 63 since A/ens33`; empty when nothing happened."""
    a, b = context.flows[before], context.flows[flow]
    changes = [_change(change, a, b) for change in hop_changes(context, a, b, ttl_delta) if change not in UNCOMMENTED]
    changes += [shape] if shape else []
    if not changes:
        return ""
    return visible(f"{', '.join(changes)} since {context.points[int(a[FLOW_POINT])].name}")


def _change(change: str, before: FlowRow, after: FlowRow) -> str:
    if change == "dnat":
        return f"DNAT {_destination(before)} → {_destination(after)}"
    if change == "snat":
        return f"SNAT {_source(before)} → {_source(after)}"
    if change == "routed" and before[FLOW_TTL] >= 0 and after[FLOW_TTL] >= 0 and before[FLOW_TTL] != after[FLOW_TTL]:
        return f"routed, TTL {before[FLOW_TTL]} → {after[FLOW_TTL]}"
    if change == "encapsulated":
        return f"encapsulated in {_tunnel(after)}"
    if change == "decapsulated":
        return f"out of {_tunnel(before)}"
    return change


def _destination(row: FlowRow) -> str:
    return _ADDRESSES.endpoint(destination(row), ports(row)[1])


def _source(row: FlowRow) -> str:
    ident = echo_id(row)
    return _ADDRESSES.endpoint(source(row), ports(row)[0]) + (f" id {ident}" if ident is not None else "")


def _tunnel(row: FlowRow) -> str:
    kind = KIND_OF_NUMBER[int(row[FLOW_VIA])].title.upper()
    return kind if row[FLOW_VIA_VNI] < 0 else f"{kind} {int(row[FLOW_VIA_VNI])}"
