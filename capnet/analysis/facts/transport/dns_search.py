"""Search lists: names that a resolver tried only because its search list says so (resolv.conf(5)).

Input: DNS lookups. Output: for each name of a client that does not exist, the name that the client was looking for; and
names that could not be resolved, without those that only search lists tried.
Method: the tried name is the wanted one, or one that exists, with further labels in between: `db.default.svc` on the
way to `db` or to `db.svc`. Limits: within MAX_LIST_NS.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from ipaddress import ip_address

from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.facts.transport.dns_lookups import (
    NO_SUCH_NAME,
    DnsLookup,
    FailedAnswer,
    dns_lookups,
    failed_answers,
)
from capnet.quick_tuple import NamedTuple

MAX_LIST_NS = 30_000_000_000  # six domains, five seconds each: the longest list and the timeout of resolv.conf(5)
MAX_LABELS = 32  # of a name; each way to leave some out is compared

_REVERSE = (".in-addr.arpa", ".ip6.arpa")  # zones of names that stand for addresses


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


class FailedNames(NamedTuple):
    """Names that could not be resolved for one reason, with the answers about each at all points."""

    code: int
    answers: dict[str, list[FailedAnswer]]
    is_reverse: bool  # they stand for addresses


def failed_names(context: Context) -> list[FailedNames]:
    """What answers with a result code are about, by code and name; names of a search list count as the one behind.

    What is wrong with a server is one cause, however many names are asked for, and so is a zone of addresses that has
    none.
    """
    wanted = {
        lookup.name: name for name, is_found, _, tried in searched_names(context) for lookup in tried if not is_found
    }
    tried = {lookup.name for searched in searched_names(context) for lookup in searched.tried}
    failures: dict[tuple[int, str], list[FailedAnswer]] = {}
    for answer in failed_answers(context):
        name = wanted.get(answer.name, answer.name)
        if answer.code != NO_SUCH_NAME or answer.name not in tried or answer.name in wanted:
            failures.setdefault((answer.code, name), []).append(answer)
    groups: dict[tuple[int, tuple[str, ...]], FailedNames] = {}
    for (code, name), answers in sorted(failures.items()):
        is_reverse = code == NO_SUCH_NAME and name.endswith(_REVERSE)
        cause = tuple(sorted({answer.server for answer in answers})) if code != NO_SUCH_NAME else (name,)
        group = groups.setdefault((code, _REVERSE if is_reverse else cause), FailedNames(code, {}, is_reverse))
        group.answers[name] = answers
    return list(groups.values())


def address_of(name: str) -> str:
    """The address that a name stands for in the reverse zones (RFC 1035, RFC 3596), `7.0.18.172.in-addr.arpa`.

    What stands for no whole address stays as it is.
    """
    labels = name.split(".")[-3::-1]
    text = ".".join(labels)
    if not name.endswith(_REVERSE[0]):
        digits = "".join(labels) if len(labels) == 32 else ""
        text = ":".join(digits[begin : begin + 4] for begin in range(0, len(digits), 4))
    with suppress(ValueError):
        return str(ip_address(text))
    return name


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
