"""Expressions, sets and maps of nft (libnftables-json(5)) as tests of a packet, and as text.

Input: the objects that `nft -j list ruleset` prints. Output: `Test`s. Limits: a test has one subject, so concatenations
are tests in verdict maps only; elements that the kernel adds or forgets by itself, and more than MAX_ELEMENTS, are not
known.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from capnet.analysis.facts.kernel.netfilter.rules import Test
from capnet.quick_tuple import NamedTuple

MAX_ELEMENTS = 4096  # of a set or map: as many services as a cluster has
_PAYLOAD = {
    ("ip", "saddr"): "src", ("ip6", "saddr"): "src", ("ip", "daddr"): "dst", ("ip6", "daddr"): "dst",
    ("ip", "protocol"): "proto", ("ip6", "nexthdr"): "proto", ("icmp", "type"): "icmp", ("icmpv6", "type"): "icmp",
}  # fmt: skip
_META = {"iifname": "in", "oifname": "out", "iif": "in", "oif": "out", "l4proto": "proto"}
_CHANGING = {"dynamic", "timeout"}  # flags of sets whose elements the kernel changes
_INTERFACES = ("iif", "iifname", "oif", "oifname")  # which nft writes without `meta`
_OF_DST = ("daddr", ["daddr"])  # newer versions leave out the brackets
_ELSE = "*"  # the element for what no other one is for

Elements: TypeAlias = dict[str, list[Any] | None]  # of the sets and maps of one table; None: not known


class Case(NamedTuple):
    """An element of a verdict map: the tests of its key, and the verdict as nft prints it."""

    tests: tuple[Test, ...]
    verdict: dict[str, Any]
    text: str


class Sets:
    """The named sets and maps of a ruleset."""

    def __init__(self, objects: list[dict[str, Any]]) -> None:
        self._tables: dict[tuple[str, str], Elements] = {}
        for entry in objects:
            about = entry.get("set") or entry.get("map")
            if about:
                of_table = self._tables.setdefault((about["family"], about["table"]), {})
                of_table[f"@{about['name']}"] = _unchanging(about)

    def of(self, family: str, table: str) -> Elements:
        """Those of a table, by `@name`."""
        return self._tables.get((family, table), {})


def match_test(match: dict[str, Any], sets: Elements) -> Test:
    """One comparison; a set is any of its elements."""
    left, right, operator = match.get("left"), match.get("right"), match.get("op", "==")
    what, values = _subject(left), _values(right, sets)
    if what == "dst-local":
        values = () if right == "local" else None
    if what is None or values is None or operator not in ("==", "!=", "in"):
        return Test("unknown")
    return Test(what, values, operator == "!=")


def verdict_cases(vmap: dict[str, Any], sets: Elements) -> list[Case] | None:
    """The elements of a verdict map, the one for all else last; None if they are not known."""
    key, data = vmap.get("key"), vmap.get("data")
    elements = sets.get(data) if isinstance(data, str) else data.get("set") if isinstance(data, dict) else None
    if elements is None or len(elements) > MAX_ELEMENTS:
        return None
    keyed = [(_bare(element[0]), element[1]) for element in elements]
    cases = [
        Case(_key_tests(key, value), verdict, f"{value_text(value)} : {_verdict_text(verdict)}")
        for value, verdict in keyed
        if value != _ELSE
    ]
    others = [case.tests for case in cases]
    for value, verdict in keyed:
        if value == _ELSE:
            cases.append(Case((_none_of(others),), verdict, f"{_ELSE} : {_verdict_text(verdict)}"))
    return cases


def match_text(match: dict[str, Any]) -> str:
    """`tcp dport != 22`."""
    sign = "!= " if match.get("op", "==") == "!=" else ""
    return f"{_subject_text(match.get('left'))} {sign}{value_text(match.get('right'))}"


def map_text(vmap: dict[str, Any]) -> str:
    """`tcp dport vmap @ports`, without the elements of an unnamed map."""
    data = vmap.get("data")
    return f"{_subject_text(vmap.get('key'))} vmap{f' {data}' if isinstance(data, str) else ''}"


def value_text(value: Any) -> str:
    """`80`, `{ 80, 8000-8100 }`, `10.1.0.2 . tcp . 80`; `…` for what is computed."""
    if isinstance(value, dict) and isinstance(parts := value.get("concat"), list):
        return " . ".join(value_text(part) for part in parts)
    values = (value,) if isinstance(value, str) else _values(value, {})
    if values is None:
        return "…"
    return values[0] if len(values) == 1 else "{ " + ", ".join(values) + " }"


def _unchanging(about: dict[str, Any]) -> list[Any] | None:
    """The elements of a set or map; None if the kernel may have changed them since."""
    flags = about.get("flags", [])
    is_changing = _CHANGING & set([flags] if isinstance(flags, str) else flags) or "timeout" in about
    return None if is_changing else [_bare(element) for element in about.get("elem", [])]


def _bare(element: Any) -> Any:
    """An element without its counter, comment or timeout."""
    if isinstance(element, dict) and isinstance(of := element.get("elem"), dict):
        return of["val"]
    return element


def _key_tests(key: Any, value: Any) -> tuple[Test, ...]:
    """The tests for an element of a map; of a concatenation, one for each part."""
    if not isinstance(key, dict) or "concat" not in key:
        return (match_test({"left": key, "right": value}, {}),)
    parts = value.get("concat") if isinstance(value, dict) else None
    if not isinstance(parts, list) or len(parts) != len(key["concat"]):
        return (Test("unknown"),)
    return tuple(
        match_test({"left": left, "right": right}, {}) for left, right in zip(key["concat"], parts, strict=True)
    )


def _none_of(others: list[tuple[Test, ...]]) -> Test:
    """What is true where none of these is, if all are of one subject."""
    subjects = {test.what for tests in others for test in tests}
    if len(subjects) != 1 or any(len(tests) != 1 for tests in others):
        return Test("unknown")
    return Test(subjects.pop(), tuple(value for (test,) in others for value in test.values), True)


def _subject(left: Any) -> str | None:
    if not isinstance(left, dict):
        return None
    if isinstance(payload := left.get("payload"), dict):
        protocol, field = payload.get("protocol"), payload.get("field")
        if field in ("sport", "dport") and protocol in ("tcp", "udp", "th"):
            return str(field)
        return _PAYLOAD.get((str(protocol), str(field)))
    if isinstance(meta := left.get("meta"), dict):
        return _META.get(str(meta.get("key")))
    if isinstance(fib := left.get("fib"), dict) and fib.get("result") == "type" and fib.get("flags") in _OF_DST:
        return "dst-local"
    if isinstance(ct := left.get("ct"), dict) and ct.get("key") == "state":
        return "state"
    return None


def _subject_text(left: Any) -> str:
    if not isinstance(left, dict):
        return str(left)
    if isinstance(parts := left.get("concat"), list):
        return " . ".join(_subject_text(part) for part in parts)
    kind, inner = next(iter(left.items()))
    if not isinstance(inner, dict):
        return str(inner)
    words = [str(value) for value in inner.values()]
    if kind == "fib":
        flags = inner.get("flags", "")
        words = [*(flags if isinstance(flags, list) else [flags]), str(inner.get("result", ""))]
    has_name = kind == "payload" or words[0] in _INTERFACES
    return " ".join(words if has_name else [kind, *words])


def _verdict_text(verdict: dict[str, Any]) -> str:
    name, value = next(iter(verdict.items()))
    return f"{name} {value['target']}" if isinstance(value, dict) and "target" in value else name


def _values(right: Any, sets: Elements) -> tuple[str, ...] | None:
    """What is compared with, as texts; None for what is neither a value nor a list, set, range or prefix of values."""
    if isinstance(right, str | int) and not isinstance(right, bool):
        if not str(right).startswith("@"):
            return (str(right),)
        right = sets.get(str(right))
    if isinstance(right, dict):
        if isinstance(prefix := right.get("prefix"), dict):
            return (f"{prefix['addr']}/{prefix['len']}",)
        if isinstance(bounds := right.get("range"), list) and len(bounds) == 2:
            return (f"{bounds[0]}-{bounds[1]}",)
        right = right.get("set")
    if not isinstance(right, list) or len(right) > MAX_ELEMENTS:
        return None
    parts = [_values(_bare(item), {}) for item in right]
    return None if None in parts else tuple(value for part in parts if part for value in part)
