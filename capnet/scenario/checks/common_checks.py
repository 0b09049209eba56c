"""The checks that every scenario shares: what the report says of NAT agrees with the kernel's connection tables.

They run after every scenario, also where only some of its points were captured at. What a check is: `checks.checks`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from capnet.analysis.facts.nat.conntrack import Entry, parse
from capnet.analysis.facts.nat.tuples import FlowTuple
from capnet.report.text import span
from capnet.scenario.checks.observed import EMBEDDED_DNS, Comparison, NotObserved, Observed

# A connection table forgets an idle entry after 10 s or more (nf_conntrack_tcp_timeout_close; ICMP and UDP: 30 s). It
# is read when everything has been sent, so flows that ended more than 8 s before the last one are not asked for.
MAX_IDLE_US = 8_000_000

_Forms = dict[tuple[str, FlowTuple], list[dict[str, Any]]]  # (protocol, form) → its flows


def check_nat_is_in_conntrack(observed: Observed) -> Comparison:
    """nothing is said to be rewritten that no connection table has"""
    rows = [row for row in observed.report["nat"] if row["before"]["dst"] != EMBEDDED_DNS]
    entries = list(_entries(observed))
    if not rows:
        return set(), set()
    if not entries:
        raise NotObserved("a connection table")
    entry_steps = _in_steps(entries)
    forms = _forms(observed)
    end = max(each["last"] for flows in forms.values() for each in flows)
    claimed = {
        (row["proto"], before, after)
        for row in rows
        for before, after in [(_form(row["before"]), _form(row["after"]))]
        if any(
            span(each["last"], end) < MAX_IDLE_US
            for form in (before, after)
            for each in forms.get((row["proto"], form), [])
        )
    }
    return claimed - entry_steps, set()


def check_conntrack_is_in_nat(observed: Observed) -> Comparison:
    """every answered connection that a host translated, and that passed two of its points in both forms, is told"""
    reported = {(row["proto"], _form(row["before"]), _form(row["after"])) for row in observed.report["nat"]}
    forms = _forms(observed)

    def passed(host: str, proto: str, form: FlowTuple) -> set[str]:
        """The host's points that saw a form. Another host's points may show an unrelated flow of the same form."""
        return {each["point"] for each in forms.get((proto, form), []) if each["point"].startswith(f"{host}/")}

    expected = set()
    for host, entry in _entries(observed):
        if entry.replied and entry.before != entry.after:
            before, after = (passed(host, entry.proto, form) for form in (entry.before, entry.after))
            if before and after and len(before | after) > 1:
                expected.add((entry.proto, entry.before, entry.after))
    return expected - reported, set()


COMMON_CHECKS = (check_nat_is_in_conntrack, check_conntrack_is_in_nat)


def _in_steps(entries: list[tuple[str, Entry]]) -> set[tuple[str, FlowTuple, FlowTuple]]:
    """(protocol, before, after) of every entry, and of each chain of entries on one host.

    A host with load balancers has several tables, one per namespace. The form after one entry is the form before the
    next.
    """
    steps = set()
    onward = {(host, entry.proto, entry.before): entry.after for host, entry in entries if entry.before != entry.after}
    for host, entry in entries:
        after: FlowTuple | None = entry.after
        passed = {entry.before}
        while after is not None and after not in passed:
            steps.add((entry.proto, entry.before, after))
            passed.add(after)
            after = onward.get((host, entry.proto, after))
    return steps


def _entries(observed: Observed) -> Iterator[tuple[str, Entry]]:
    for host in observed.topology.hosts:
        for line in host.conntrack:
            if entry := parse(line):
                yield host.name, entry


def _forms(observed: Observed) -> _Forms:
    """The flows that the report lists, by their form and by the form of their answers.

    A report of very many flows (ssh to a peer) lists only the biggest; the checks are about those.
    """
    forms: _Forms = {}
    for each in observed.report["flows"]["top"]:
        form = _form(each)
        turned = FlowTuple(form.dst, form.dport, form.src, form.sport, form.id)
        for either in {form, turned}:
            forms.setdefault((each["proto"], either), []).append(each)
    return forms


def _form(side: dict[str, Any]) -> FlowTuple:
    return FlowTuple(side["src"], side["sport"], side["dst"], side["dport"], side.get("id"))
