"""Report → the JSON contract `capnet.report/1` as plain dictionaries; every report format reads this object.

Deterministic: same report, same document. Lists have an order of their own, files are named as they were given (an
absolute path by the shortest tail that tells it from the others), nothing comes from a clock.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import PurePath
from typing import Any

from capnet import __version__
from capnet.analysis.core.results import Evidence, Flow, FlowKey, Hop, Nat, Path, Report

SCHEMA = "capnet.report/1"
ALWAYS = ("schema", "made_by", "inputs", "points", "coverage", "names", "names_at", "correlation")
SECTIONS = ("models", "stations", "macs", "nat", "proxies", "tunnels", "paths", "flows", "findings")
LEVELS = ("error", "warning", "info")  # of findings, worst first

MOST_EVIDENCE = 10
_PORTLESS = ("icmp", "icmpv6")  # told apart by the echo identifier instead

Document = dict[str, Any]


def document(report: Report, only: Collection[str] = ()) -> Document:
    """The whole report, or with `only` its head and those of SECTIONS."""
    files = short_names(each.file for each in report.inputs)
    plain = _Plain(files)  # for this report
    whole: Document = {
        "schema": SCHEMA,
        "made_by": f"capnet {__version__}",
        "inputs": [plain(each) for each in report.inputs],
        "points": [plain(each) for each in report.points],
        "models": [plain(each) for each in sorted(report.models, key=lambda m: (-m.confidence, m.model))],
        "stations": [plain(each) for each in sorted(report.stations, key=lambda s: s.mac)],
        "macs": [plain(each) for each in sorted(report.macs, key=lambda m: (m.verdict, m.point, m.macs, m.ips))],
        "nat": [plain(each) for each in sorted(report.nat, key=_nat_order)],
        "proxies": [plain(each) for each in sorted(report.proxies, key=lambda p: _key_order(p.client_side))],
        "tunnels": [
            plain(each)
            for each in sorted(report.tunnels, key=lambda t: (t.kind, t.vni or 0, t.vteps, t.port or 0, t.point))
        ],
        "paths": [plain(each) for each in sorted(report.paths, key=_path_order)],
        "flows": {
            "count": plain(report.flows.count),
            "top": [plain(each) for each in sorted(report.flows.top, key=_flow_order)],
        },
        "findings": [
            plain(each)
            for each in sorted(report.findings, key=lambda f: (LEVELS.index(f.level), f.name, f.says, f.evidence))
        ],
        "coverage": plain(report.coverage),
        "names": plain(report.names),
        "names_at": plain(report.names_at),
        "correlation": plain(report.correlation),
    }
    if only:
        whole = {key: value for key, value in whole.items() if key in ALWAYS or key in only}
    return whole


def plain(facts: Any, report: Report) -> Any:
    """Facts beside those of the report (paths of one flow, a packet's journey) in the document's form."""
    return _Plain(short_names(each.file for each in report.inputs))(facts)


def short_names(files: Iterable[str]) -> dict[str, str]:
    """File as given → file as the report names it.

    Relative paths stay. Absolute ones are cut to the fewest last components that no other input ends with.
    """
    given = list(dict.fromkeys(files))
    return {file: _shortest_tail(file, given) if PurePath(file).is_absolute() else file for file in given}


def iso_time(nanoseconds: int) -> str:
    """1764022443000000001 → `2025-11-24T22:14:03.000000001Z`; beyond year 9999 (a damaged record) it is clamped."""
    seconds, rest = divmod(int(nanoseconds), 1_000_000_000)
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return "9999-12-31T23:59:59.999999999Z" if seconds > 0 else "0001-01-01T00:00:00.000000000Z"
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{rest:09d}Z".rjust(30, "0")


# Most values: not worth a call. Subclasses (enumerations, say) are looked at more closely.
_AS_IT_IS = frozenset((str, int, bool, type(None)))


class _Plain:
    """Turns facts into dictionaries, lists, strings and numbers. Callable on any fact or value."""

    def __init__(self, files: dict[str, str]) -> None:
        self.files = files

    def __call__(self, value: Any) -> Any:
        if type(value) in _AS_IT_IS:
            return value
        if isinstance(value, list | tuple):
            return [each if type(each) in _AS_IT_IS else self(each) for each in value]
        if isinstance(value, bool | str):
            return value
        if is_dataclass(value) and not isinstance(value, type):
            return self._fact(value)
        if isinstance(value, dict):
            return {str(key): self(each) for key, each in sorted(value.items(), key=lambda item: str(item[0]))}
        if isinstance(value, set | frozenset):
            return sorted(self(each) for each in value)
        if hasattr(value, "item"):  # a numpy scalar
            value = value.item()
        if isinstance(value, float):  # nanoseconds are the finest thing measured: three decimals of a µs
            return round(value, 3) if math.isfinite(value) else None
        return value if isinstance(value, bool | int) else str(value)

    def _fact(self, fact: Any) -> Document:
        plain: Document = {name: getattr(fact, name) for name in _names(type(fact))}  # type: ignore[arg-type]
        for key in ("first", "last", "time"):
            if plain.get(key) is not None:
                plain[key] = iso_time(plain[key])
        if "file" in plain:
            plain["file"] = self.files.get(plain["file"]) or PurePath(plain["file"]).name
        if "evidence" in plain:
            plain["evidence"] = _earliest(plain["evidence"])
        plain = {key: value if type(value) in _AS_IT_IS else self(value) for key, value in plain.items()}
        _identify(fact, plain)
        return plain


@cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(each.name for each in fields(kind))


def _identify(fact: Any, plain: Document) -> None:
    """`id` stands where ports do not: only with ICMP, there always."""
    if isinstance(fact, Nat):
        for side in (plain["before"], plain["after"]):
            _only_portless(side, fact.proto)
    elif isinstance(fact, Path):
        first = fact.hops[0].id if fact.hops else None
        plain["flow"]["id"] = _Plain({})(first)
        for each in (plain["flow"], *plain["hops"]):
            _only_portless(each, fact.proto)
    elif isinstance(fact, Flow):
        _only_portless(plain, fact.proto)


def _only_portless(plain: Document, proto: str) -> None:
    if proto in _PORTLESS:
        plain["sport"] = plain["dport"] = None
    else:
        plain.pop("id", None)


def _earliest(evidence: list[Evidence]) -> list[Evidence]:
    """The first ten, as the analyzer ordered them: in time, every point it needs among them."""
    return list(dict.fromkeys(evidence))[:MOST_EVIDENCE]


def _shortest_tail(file: str, others: list[str]) -> str:
    parts = PurePath(file).parts
    for length in range(1, len(parts)):
        tail = parts[-length:]
        if sum(PurePath(other).parts[-length:] == tail for other in others) == 1:
            return "/".join(tail)
    return "/".join(parts[1:])


# -- orders -------------------------------------------------------------------------------------
def _number(value: int | None) -> int:
    return -1 if value is None else int(value)


def _key_order(key: FlowKey | Hop | Flow) -> tuple[Any, ...]:
    return (key.src, _number(key.sport), key.dst, _number(key.dport))


def _nat_order(nat: Nat) -> tuple[Any, ...]:
    before, after = nat.before, nat.after
    return (
        -nat.packets, nat.kind, nat.proto,
        before.src, _number(before.sport), before.dst, _number(before.dport), _number(before.id), before.point,
        after.src, _number(after.sport), after.dst, _number(after.dport), _number(after.id), after.point,
    )  # fmt: skip


def _path_order(path: Path) -> tuple[Any, ...]:
    packets = max((hop.packets for hop in path.hops), default=0)
    hops = tuple((hop.point, _number(hop.id), *_key_order(hop)) for hop in path.hops)
    return (-packets, path.proto, *_key_order(path.flow), hops)


def _flow_order(flow: Flow) -> tuple[Any, ...]:
    return (
        -flow.bytes,
        flow.point,
        flow.proto,
        *_key_order(flow),
        _number(flow.id),
        flow.depth,
        _number(flow.vni),
    )
