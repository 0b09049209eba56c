"""The rows of NAT facts by columns, and each as a fact or as the document of a report has it.

A capture may show a hundred thousand translations, of which a report for people prints ten: a row takes 250 bytes here,
and 5,000 as objects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from functools import cached_property
from typing import Any, overload

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import Rows, distinct, equal_rows
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import proto_name
from capnet.analysis.core.results import Delay, Evidence, Nat, Point, Side
from capnet.analysis.core.rings.frame_numbers import FrameNumbers
from capnet.analysis.core.schema import Mask, Values
from capnet.analysis.correlate.flow_links import Links
from capnet.analysis.facts.nat.translation_steps import Steps
from capnet.analysis.facts.nat.tuples import TupleColumns, kinds_of
from capnet.quick_dataclass import frozen
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_text

KINDS = ("dnat", "snat", "snat+dnat")  # sorted, as reports are
METHODS = ("same-packet", "reply-pairing", "conntrack")


class Places(NamedTuple):
    """The points of a capture, and its files that were read as one."""

    points: list[Point]
    series: dict[str, FrameNumbers]

    def frame(self, point: int, frame: int) -> tuple[str, str, int]:
        """Point, file and frame number as evidence names them."""
        captured_at = self.points[point]
        if numbers := self.series.get(captured_at.file):
            return captured_at.name, *numbers.place(frame)
        return captured_at.name, captured_at.file, frame


def evidence_columns(context: Context, links: Links, steps: Steps) -> Rows:
    """(steps, 4): point and frame of the first packet of each step, before and after."""
    flows = context.flows
    is_linked = steps.first_link >= 0
    frames = []
    for rows, at_links, side in ((steps.first, steps.first_link, 0), (steps.last, steps.last_link, 1)):
        frame = flows[rows, schema.FLOW_FIRST_FRAME]
        frame[is_linked] = links.frames[at_links[is_linked], side]
        frames += [flows[rows, schema.FLOW_POINT], frame]
    return np.column_stack(frames)


@frozen
class Translations(Sequence[Nat]):
    """Translations in order of their first packets."""

    places: Places
    proto: Values
    before: TupleColumns
    after: TupleColumns
    before_point: Values
    after_point: Values
    ttl_delta: Values
    packets: Values
    bytes: Values
    reply_seen: Mask
    is_timed: Mask
    delays_ns: Rows  # (n, 4): minimum, median, 99th percentile, maximum
    method: Values  # index into METHODS
    confidence: Values  # 0 to 1
    evidence: Rows  # (n, 8): point and frame, four times; -1 where there is none

    def __len__(self) -> int:
        return len(self.proto)

    @overload
    def __getitem__(self, index: int) -> Nat: ...
    @overload
    def __getitem__(self, index: slice) -> Translations: ...
    def __getitem__(self, index: int | slice) -> Nat | Translations:
        if isinstance(index, slice):
            return self.take(np.arange(len(self))[index])
        return next(iter(self.take(np.arange(len(self))[[index]])))

    def __iter__(self) -> Iterator[Nat]:
        for row in self.values():
            latency = None if row.delays is None else Delay(*row.delays)
            evidence = [Evidence(*self.places.frame(point, frame)) for point, frame in row.frames]
            yield Nat(
                row.kind, row.proto, Side(*row.before), Side(*row.after), row.port_rewritten, row.ttl_delta,
                row.packets, row.bytes, row.reply_seen, latency, row.method, row.confidence, evidence,
            )  # fmt: skip

    def take(self, rows: Values) -> Translations:
        """These rows."""
        columns: dict[str, Any] = {spec.name: getattr(self, spec.name) for spec in fields(self)}
        places = columns.pop("places")
        taken: dict[str, Any] = {
            name: column.take(rows) if isinstance(column, TupleColumns) else column[rows]
            for name, column in columns.items()
        }
        return Translations(places, **taken)

    def of_kinds(self, *kinds: str) -> Translations:
        """The rows of these kinds."""
        if not len(self):
            return self
        is_wanted = np.zeros(len(self), dtype=bool)
        for kind in kinds:
            is_wanted |= self.kind == KINDS.index(kind)
        return self.take(np.flatnonzero(is_wanted))

    @cached_property
    def kind(self) -> Values:
        """For each row the index of its kind in KINDS."""
        is_source, is_destination = kinds_of(self.before, self.after)
        return np.where(is_source, np.where(is_destination, 2, 1), 0)

    @cached_property
    def address_numbers(self) -> tuple[list[str], Rows]:
        """Addresses in order of their text, and for each row the index of source and destination before and after."""
        if not len(self):
            return [], np.zeros((4, 0), dtype=np.int64)
        sides = (self.before, self.after)
        high = np.concatenate([half for side in sides for half in (side.src_hi, side.dst_hi)])
        low = np.concatenate([half for side in sides for half in (side.src_lo, side.dst_lo)])
        first = equal_rows([high, low])
        used = distinct(first)
        texts = [address_text(hi, lo) for hi, lo in zip(high[used].tolist(), low[used].tolist(), strict=True)]
        order = sorted(range(len(texts)), key=texts.__getitem__)
        rank = np.zeros(len(first), dtype=np.int64)
        rank[used[order]] = np.arange(len(order))
        return [texts[number] for number in order], rank[first].reshape(4, -1)

    def addresses_at(self, side: str, end: str) -> tuple[list[str], Values]:
        """`address_numbers` of `src` or `dst`, `before` or `after` translation: addresses, and each row's index."""
        texts, numbers = self.address_numbers
        return texts, numbers[2 * (side == "after") + (end == "dst")]

    def addresses(self, side: str, end: str) -> list[str]:
        """The different addresses at `src` or `dst`, `before` or `after` translation, sorted."""
        texts, numbers = self.addresses_at(side, end)
        return [texts[number] for number in distinct(numbers).tolist()]

    def address_pairs(self, first: tuple[str, str], second: tuple[str, str]) -> tuple[list[tuple[str, str]], Values]:
        """The different pairs of two addresses of a row, named by side and end, and for each row the index of its."""
        texts, _ = self.address_numbers
        columns = [self.addresses_at(*place)[1] for place in (first, second)]
        first_equal = equal_rows(columns)
        used = distinct(first_equal)
        pairs = [(texts[a], texts[b]) for a, b in zip(*(column[used].tolist() for column in columns), strict=True)]
        return pairs, np.searchsorted(used, first_equal)

    def different(self, *names: str) -> list[tuple[Any, ...]]:
        """The different values that these fields of the rows have together, in order of their first row.

        `names`: as of `Nat`: `proto`, `before.dst`, `after.sport`. Thousands of connections go to a few services.
        """
        chosen = [self._field(name) for name in names]
        used = distinct(equal_rows([column for column, _ in chosen])) if len(self) else np.zeros(0, dtype=np.int64)
        return list(zip(*(map(value_of, column[used].tolist()) for column, value_of in chosen), strict=True))

    def _field(self, name: str) -> tuple[Values, Callable[[int], Any]]:
        """A number for each row, and what gives its value."""
        if name == "proto":
            return self.proto, proto_name
        side, end = name.split(".")
        if end in ("src", "dst"):
            texts, numbers = self.addresses_at(side, end)
            return numbers, texts.__getitem__
        return getattr(getattr(self, side), end), lambda number: None if number < 0 else number

    def by_packets(self) -> Translations:
        """The rows in the order of `contract.order.by_translated_packets`."""
        names = sorted({point.name for point in self.places.points})
        rank = np.array([names.index(point.name) for point in self.places.points] or [0])
        protocols = distinct(self.proto).tolist()
        by_name = sorted(protocols, key=proto_name)
        proto = np.array([by_name.index(number) for number in protocols] or [0])[np.searchsorted(protocols, self.proto)]
        _, (source, destination, new_source, new_destination) = self.address_numbers
        keys = (
            -self.packets, self.kind, proto,
            source, self.before.sport, destination, self.before.dport, self.before.id, rank[self.before_point],
            new_source, self.after.sport, new_destination, self.after.dport, self.after.id, rank[self.after_point],
        )  # fmt: skip
        return self.take(np.lexsort(keys[::-1]))

    @property
    def port_rewritten(self) -> Mask:
        """For each row: was a port, or the echo identifier, rewritten as well?"""
        before, after = self.before, self.after
        is_rewritten: Mask = (before.sport != after.sport) | (before.dport != after.dport) | (before.id != after.id)
        return is_rewritten

    def values(self) -> Iterator[Row]:
        """The values of each row."""
        if not len(self):
            return
        points = [point.name for point in self.places.points]
        columns = (
            self.kind, self.proto, self.port_rewritten, self.ttl_delta, self.packets, self.bytes, self.reply_seen,
            self.is_timed, self.delays_ns / 1000, self.method, self.confidence, self.evidence,
        )  # fmt: skip
        sides = (self._side_values(0, self.before_point, points), self._side_values(1, self.after_point, points))
        for own, translated, values in zip(
            *sides, zip(*(column.tolist() for column in columns), strict=True), strict=True
        ):
            (
                kind,
                proto,
                is_port_rewritten,
                ttl_delta,
                packets,
                size,
                reply_seen,
                is_timed,
                delays,
                method,
                confidence,
                frames,
            ) = values
            yield Row(
                KINDS[kind], proto_name(proto), own, translated, is_port_rewritten, ttl_delta, packets, size,
                reply_seen,
                delays if is_timed else None, METHODS[method], round(confidence, 3),
                [(frames[at], frames[at + 1]) for at in (0, 2, 4, 6) if frames[at] >= 0],
            )  # fmt: skip

    def _side_values(self, side: int, at: Values, points: list[str]) -> Iterator[SideValues]:
        """The fields of a `Side` of each row."""
        texts, numbers = self.address_numbers
        form = (self.before, self.after)[side]
        columns = (numbers[2 * side], form.sport, numbers[2 * side + 1], form.dport, at, form.id)
        for src, sport, dst, dport, point, echo_id in zip(*(column.tolist() for column in columns), strict=True):
            yield (
                texts[src], None if sport < 0 else sport, texts[dst], None if dport < 0 else dport, points[point],
                None if echo_id < 0 else echo_id,
            )  # fmt: skip


SideValues = tuple[str, int | None, str, int | None, str, int | None]


class Row(NamedTuple):
    """What a row has, as plain values."""

    kind: str
    proto: str
    before: SideValues
    after: SideValues
    port_rewritten: bool
    ttl_delta: int
    packets: int
    bytes: int
    reply_seen: bool
    delays: list[float] | None
    method: str
    confidence: float
    frames: list[tuple[int, int]]
