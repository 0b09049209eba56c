"""Results as plain dictionaries, lists, strings and numbers: the values of the JSON contract `capnet.report/1`.

Deterministic: same result, same document. Files are named as they were given, an absolute path by the shortest tail
that tells it from the others; times are ISO 8601; of evidence the first MAX_EVIDENCE frames stay.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from functools import cache, reduce
from operator import attrgetter, getitem
from pathlib import PurePath
from typing import Any, TypeAlias

from capnet.analysis.core.contract.outcomes import Fate
from capnet.analysis.core.results import MAX_EVIDENCE, Evidence, Flow, Input, Nat, Path
from capnet.quick_tuple import NamedTuple

Document: TypeAlias = dict[str, Any]

_TIMES = ("first", "last", "started", "ended", "time")
PORTLESS = ("icmp", "icmpv6")  # told apart by the echo identifier instead


def plain(facts: Any, inputs: Iterable[Input]) -> Any:
    """Facts (a path, a list of flows) as the document of a report with these inputs has them."""
    return Plain(inputs)(facts)


def short_names(files: Iterable[str]) -> dict[str, str]:
    """File as given → file as the report names it.

    Relative paths stay. Absolute ones are cut to the fewest last components that no other input ends with.
    """
    given = list(dict.fromkeys(files))
    return {file: _shortest_tail(file, given) if PurePath(file).is_absolute() else file for file in given}


def file_name(names: Mapping[str, str], file: str) -> str:
    """A file as the report names it; `names`: as of `short_names`."""
    return names.get(file) or PurePath(file).name


class PrintedRows(Sequence[Document]):
    """Rows of a document that are made when they are asked for.

    Their strings are `texts` or capnet's own, such as addresses: nothing but `texts` can be unprintable.
    """

    @property
    @abstractmethod
    def texts(self) -> Sequence[str]:
        """Strings of the capture in these rows."""

    @abstractmethod
    def columns(self, *paths: str) -> Iterator[tuple[Any, ...]]:
        """The values at these paths, such as `before.src`, of each row, none of which is made."""


def row_values(rows: Sequence[Document], *paths: str) -> Iterator[tuple[Any, ...]]:
    """The values at these paths of each row of a document."""
    if isinstance(rows, PrintedRows):
        return rows.columns(*paths)
    keys = [path.split(".") for path in paths]
    return (tuple([reduce(getitem, path, row) for path in keys]) for row in rows)


def iso_time(nanoseconds: int) -> str:
    """1764022443000000001 → `2025-11-24T22:14:03.000000001Z`; beyond year 9999 (a damaged record) it is clamped."""
    seconds, rest = divmod(int(nanoseconds), 1_000_000_000)
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return "9999-12-31T23:59:59.999999999Z" if seconds > 0 else "0001-01-01T00:00:00.000000000Z"
    return f"{moment.isoformat()[:19]}.{rest:09d}Z"


# Most values: not worth a call. Subclasses (enumerations, say) are looked at more closely.
_AS_IT_IS = frozenset((str, int, bool, type(None)))


class Plain:
    """Turns facts into dictionaries, lists, strings and numbers. Callable on any fact or value."""

    def __init__(self, inputs: Iterable[Input]) -> None:
        self.files = short_names(source.file for source in inputs)

    def __call__(self, value: Any) -> Any:
        value_class = type(value)
        if value_class in _AS_IT_IS:
            return value
        if value_class is float:
            return _rounded(value)
        if kind := _kind(value_class):  # type: ignore[arg-type]
            return self._fact(value, kind)
        if isinstance(value, list | tuple):
            return [item if type(item) in _AS_IT_IS else self(item) for item in value]
        if isinstance(value, bool | str):
            return value
        if isinstance(value, dict):
            return {str(key): self(item) for key, item in sorted(value.items(), key=lambda pair: str(pair[0]))}
        if isinstance(value, set | frozenset):
            return sorted(self(item) for item in value)
        return _number(value)

    def _fact(self, fact: Any, kind: _Kind) -> Document:
        document: Document = dict(zip(kind.keys, kind.values(fact), strict=True))
        for key in kind.times:
            if document[key] is not None:
                document[key] = iso_time(document[key])
        if kind.has_file:
            document["file"] = file_name(self.files, document["file"])
        if kind.has_evidence:
            document["evidence"] = _earliest(document["evidence"])
        for key, value in document.items():
            if type(value) not in _AS_IT_IS:
                document[key] = self(value)
        if kind.may_have_id:
            _identify(fact, document)
        return document


def _number(value: Any) -> Any:
    """A number as JSON has it, also one of numpy's; anything else as text."""
    if hasattr(value, "item"):  # a numpy scalar
        value = value.item()
    if isinstance(value, float):
        return _rounded(value)
    return value if isinstance(value, bool | int) else str(value)


def _rounded(value: float) -> float | None:
    """Nanoseconds are the finest thing measured: three decimals of a µs."""
    return round(value, 3) if math.isfinite(value) else None


class _Kind(NamedTuple):
    """What is the same for all facts of one class."""

    values: Callable[[Any], tuple[Any, ...]]  # of its fields
    keys: tuple[str, ...]  # of its fields in JSON: a name that is a keyword of Python ends in `_`
    times: tuple[str, ...]  # those that are nanoseconds of a clock
    has_file: bool
    has_evidence: bool
    may_have_id: bool


@cache
def _kind(fact_class: Any) -> _Kind | None:
    """What a class of facts is; None for any other class."""
    if not hasattr(fact_class, "__dataclass_fields__"):
        return None
    names = tuple(field.name for field in fields(fact_class))
    times = tuple(name for name in names if name in _TIMES)
    keys = tuple(name.rstrip("_") for name in names)
    values = attrgetter(*names) if len(names) > 1 else lambda fact: tuple(getattr(fact, name) for name in names)
    return _Kind(
        values, keys, times, "file" in names, "evidence" in names, issubclass(fact_class, Nat | Path | Flow | Fate)
    )


def _identify(fact: Any, document: Document) -> None:
    """`id` stands where ports do not: only with ICMP, there always."""
    if isinstance(fact, Nat):
        for side in (document["before"], document["after"]):
            _only_portless(side, fact.proto)
    elif isinstance(fact, Path):
        document["flow"]["id"] = document["hops"][0]["id"] if fact.hops else None
        for side in (document["flow"], *document["hops"]):
            _only_portless(side, fact.proto)
    elif isinstance(fact, Fate):
        if fact.proto not in PORTLESS:
            del document["id"]
    elif isinstance(fact, Flow):
        _only_portless(document, fact.proto)


def _only_portless(document: Document, proto: str) -> None:
    if proto in PORTLESS:
        document["sport"] = document["dport"] = None
    else:
        document.pop("id", None)


def _earliest(evidence: list[Evidence]) -> list[Evidence]:
    """The first ten, as the analyzer ordered them: in time, every point it needs among them."""
    return list(dict.fromkeys(evidence))[:MAX_EVIDENCE]


def _shortest_tail(file: str, others: list[str]) -> str:
    parts = PurePath(file).parts
    for length in range(1, len(parts)):
        tail = parts[-length:]
        if sum(PurePath(other).parts[-length:] == tail for other in others) == 1:
            return "/".join(tail)
    return "/".join(parts[1:])
