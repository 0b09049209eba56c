"""Comments on frames: what happened to the packet since the previous hop."""

from __future__ import annotations

from typing import Any

import numpy as np

from capnet.analysis.core.arrays import distinct
from capnet.analysis.core.flow_rows import destination, echo_id, ports, source
from capnet.analysis.core.schema import FLOW_POINT, FLOW_TTL, FLOW_VIA, FLOW_VIA_VNI, FlowRow, Values
from capnet.analysis.engine import Study
from capnet.analysis.facts.outcomes.hop_changes import hop_changes
from capnet.analysis.trace.packet_ids import PacketIds
from capnet.record.bundle.annotation import previous_hop_kernel as hop
from capnet.record.bundle.annotation.frame_tables_kernel import UNMET, UNSAID, EmitTable, choose_comments
from capnet.record.bundle.annotation.previous_hop import SHAPES
from capnet.report.escape import visible
from capnet.report.words import Words
from capnet.wire.protocols import KIND_OF_NUMBER

MAX_COMMENT_BYTES = 500  # without the frame number; far longer than any that capnet writes
UNCOMMENTED = ("bridged", "wire")  # these happen to every packet

_ADDRESSES = Words({})  # addresses stand for themselves


class PacketComments:
    """The comments on frames, as bytes for the kernel: made when a flow is first met."""

    def __init__(self, study: Study, packets: PacketIds) -> None:
        self.machine = packets.machine
        self.context = study.context
        self.links = packets.links
        self.texts = np.zeros(1 << 12, dtype=np.uint8)
        self._end = 0
        count = len(study.context.flows) * len(SHAPES)
        self._starts = np.full(count, UNMET, dtype=np.int64)
        self._ends = np.full(count, -1, dtype=np.int64)
        self._is_joined = np.zeros(len(study.context.flows), dtype=np.uint8)
        self._is_joined[self.links.target[self.links.is_join]] = 1
        # The first hop of a path has no hop before it.
        self._starts[np.repeat(self.links.before < 0, len(SHAPES))] = UNSAID

    def choose(self, sights: hop.Sights, since: Values, shape: Values, table: EmitTable) -> None:
        """Fills the columns of `table` that say which of `texts` a frame gets as comment, and which frame ends it.

        `since`: the packet's frame at the previous hop, 0: none. `shape`: an index of `previous_hop.SHAPES`.
        """
        unmet = np.zeros(len(table) + 1, dtype=np.int64)
        view = self.machine.view
        for _ in range(2):
            self.machine.run(choose_comments)(
                view(sights.reshape(-1)), len(table), view(since), view(shape), view(self._starts),
                view(self._ends), view(self._is_joined), view(table.reshape(-1)), view(unmet),
            )  # fmt: skip
            if not unmet[0]:
                break
            self._make(distinct(unmet[1 : unmet[0] + 1]))

    def _make(self, wanted: Values) -> None:
        """Makes the comments of flow rows and shapes."""
        flow_rows, shapes = np.divmod(wanted, len(SHAPES))
        links, flows = self.links.before[flow_rows], self.context.flows
        # Numbers of Python: reading them one by one from an array takes three times as long.
        befores, afters = flows[self.links.source[links]].tolist(), flows[flow_rows].tolist()
        ttl_deltas = self.links.ttl_delta[links].tolist()
        comments = [
            comment(self.context, before, after, ttl_delta, SHAPES[shape]).encode("utf-8", "replace")
            for before, after, ttl_delta, shape in zip(befores, afters, ttl_deltas, shapes.tolist(), strict=True)
        ]
        self._keep(wanted, [text if len(text) <= MAX_COMMENT_BYTES else _cut(text) for text in comments])

    def _keep(self, keys: Values, comments: list[bytes]) -> None:
        lengths = np.array([len(text) for text in comments], dtype=np.int64)
        ends = self._end + np.cumsum(lengths)
        self._starts[keys] = np.where(lengths > 0, ends - lengths, UNSAID)
        self._ends[keys] = ends
        texts = np.frombuffer(b"".join(comments), dtype=np.uint8)
        while self._end + len(texts) > len(self.texts):
            self.texts = np.concatenate([self.texts, np.zeros_like(self.texts)])
        self.texts[self._end : self._end + len(texts)] = texts
        self._end += len(texts)


def _cut(text: bytes) -> bytes:
    """The beginning of a text, whole characters."""
    return text[:MAX_COMMENT_BYTES].decode("utf-8", "ignore").encode()


def comment(context: Any, before: FlowRow, after: FlowRow, ttl_delta: int, shape: str = "") -> str:
    """`DNAT 192.168.111.128:8080 → 172.17.0.2:80, routed, TTL 64 → 63 since A/ens33`; empty when nothing happened."""
    changes = [
        _change(change, before, after)
        for change in hop_changes(context, before, after, ttl_delta)
        if change not in UNCOMMENTED
    ]
    changes += [shape] if shape else []
    if not changes:
        return ""
    return visible(f"{', '.join(changes)} since {context.points[int(before[FLOW_POINT])].name}")


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
