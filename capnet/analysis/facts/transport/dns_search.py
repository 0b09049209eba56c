"""Search lists: names that a resolver tried only because its search list says so (resolv.conf(5)).

Input: DNS lookups. Output: for each name of a client that does not exist, the name that the client was looking for.
Method: the tried name is the wanted one, or one that exists, with further labels in between: `db.default.svc` on the
way to `db` or to `db.svc`. Limits: within MAX_LIST_NS.
"""

from __future__ import annotations

from collections.abc import Iterator

from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.facts.transport.dns_lookups import DnsLookup, dns_lookups
from capnet.quick_tuple import NamedTuple

MAX_LIST_NS = 30_000_000_000  # six domains, five seconds each: the longest list and the timeout of resolv.conf(5)
MAX_LABELS = 32  # of a name; each way to leave some out is compared


class SearchedName(NamedTuple):
    """A name that one client looked for, at the first point that shows its questions."""

    name: str
    is_found: bool
    lookups: list[DnsLookup]  # of the name itself
    tried: list[DnsLookup]  # of names that its search list made of it, none of which exists


@derived
def searched_names(context: Context) -> list[SearchedName]:
    """Names for which a search list was tried, by client and time; found ones, and ones that do not exist at all."""
    by_client: dict[tuple[int, str], dict[str, list[DnsLookup]]] = {}
    for lookup in dns_lookups(context):
        if lookup.name and lookup.is_first_hop:
            by_client.setdefault((lookup.point, lookup.client), {}).setdefault(lookup.name, []).append(lookup)
    searched: list[SearchedName] = []
    for names in by_client.values():
        tried: dict[str, list[DnsLookup]] = {}
        for name, lookups in names.items():
            if all(lookup.is_no_such_name or not lookup.answers for lookup in lookups):
                wanted = _wanted(name, lookups, names)
                if wanted:
                    tried.setdefault(wanted, []).extend(lookup for lookup in lookups if lookup.is_no_such_name)
        searched += [
            SearchedName(name, any(lookup.is_found for lookup in names[name]), names[name], lookups)
            for name, lookups in tried.items()
            if lookups
        ]
    return searched


def _wanted(tried: str, lookups: list[DnsLookup], names: dict[str, list[DnsLookup]]) -> str | None:
    """Which of a client's `names` is behind one that does not exist: one that was found rather than the shortest."""
    near = [name for name in _shorter(tried) if name in names and _is_near(lookups, names[name])]
    of_found = [name for name in near if any(lookup.is_found for lookup in names[name])]
    return min(of_found or near, key=len, default=None)


def _is_near(lookups: list[DnsLookup], others: list[DnsLookup]) -> bool:
    times = [lookup.asked[0] for lookup in lookups]
    return any(abs(time - other.asked[0]) <= MAX_LIST_NS for time in times for other in others)


def _shorter(name: str) -> Iterator[str]:
    """The name without some labels in a row, never without its first one."""
    labels = name.split(".")[:MAX_LABELS]
    for start in range(1, len(labels)):
        for stop in range(start + 1, len(labels) + 1):
            yield ".".join(labels[:start] + labels[stop:])
