"""What every scenario claims, whatever its network: the kernel's connection tables bear out what is said of NAT.

As claims of a scenario (`scenario.expect`): the docstring is the claim, (found, expected) is returned. They are judged
after every run, also where only some of the points were listened at.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from capnet.analysis.facts.nat.conntrack import Entry, parse
from capnet.analysis.facts.nat.tuples import FlowTuple
from capnet.report.text import span
from capnet.scenario.expect import EMBEDDED_DNS, Pair, Seen, Unheard

# An entry that no packet renews lives 10 s at least (nf_conntrack_tcp_timeout_close; ICMP and UDP: 30 s), and the
# table is read when everything has been sent: what was over earlier than this may be forgotten by then.
REMEMBERED_US = 8_000_000

_Forms = dict[tuple[str, FlowTuple], list[dict[str, Any]]]  # (protocol, form) → its flows


def expect_no_translation_of_its_own(seen: Seen) -> Pair:
    """nothing is said to be rewritten that no connection table has"""
    rows = [row for row in seen.report["nat"] if row["before"]["dst"] != EMBEDDED_DNS]
    entries = list(_entries(seen))
    if not rows:
        return set(), set()
    if not entries:
        raise Unheard("a connection table")
    known = _in_steps(entries)
    forms = _forms(seen)
    end = max(each["last"] for flows in forms.values() for each in flows)
    claimed = {
        (row["proto"], before, after)
        for row in rows
        for before, after in [(_form(row["before"]), _form(row["after"]))]
        if any(
            span(each["last"], end) < REMEMBERED_US
            for form in (before, after)
            for each in forms.get((row["proto"], form), [])
        )
    }
    return claimed - known, set()


def expect_every_translation_that_passed_in_both_forms(seen: Seen) -> Pair:
    """every answered connection that a host translated, and that passed two of its points in both forms, is told"""
    told = {(row["proto"], _form(row["before"]), _form(row["after"])) for row in seen.report["nat"]}
    forms = _forms(seen)

    def passed(host: str, proto: str, form: FlowTuple) -> set[str]:
        """The points of a host at which a form was seen; those of another host may show a namesake."""
        return {each["point"] for each in forms.get((proto, form), []) if each["point"].startswith(f"{host}/")}

    expected = set()
    for host, entry in _entries(seen):
        if entry.replied and entry.before != entry.after:
            before, after = (passed(host, entry.proto, form) for form in (entry.before, entry.after))
            if before and after and len(before | after) > 1:
                expected.add((entry.proto, entry.before, entry.after))
    return expected - told, set()


CLAIMS = (expect_no_translation_of_its_own, expect_every_translation_that_passed_in_both_forms)


def _in_steps(entries: list[tuple[str, Entry]]) -> set[tuple[str, FlowTuple, FlowTuple]]:
    """(protocol, before, after) of every entry, and of those that lead on to another of the same host.

    A host has several tables where it has load balancers in namespaces of their own: what one made of a connection
    is what the next one finds.
    """
    known = set()
    onward = {(host, entry.proto, entry.before): entry.after for host, entry in entries if entry.before != entry.after}
    for host, entry in entries:
        after: FlowTuple | None = entry.after
        passed = {entry.before}
        while after is not None and after not in passed:
            known.add((entry.proto, entry.before, after))
            passed.add(after)
            after = onward.get((host, entry.proto, after))
    return known


def _entries(seen: Seen) -> Iterator[tuple[str, Entry]]:
    for host in seen.topology.hosts:
        for line in host.conntrack:
            if entry := parse(line):
                yield host.name, entry


def _forms(seen: Seen) -> _Forms:
    """The flows by their form, and by that of their answers: all, or of very many (ssh to a peer) the biggest.

    Both claims are about the flows that are there: nothing is said of others.
    """
    found: _Forms = {}
    for each in seen.report["flows"]["top"]:
        form = _form(each)
        turned = FlowTuple(form.dst, form.dport, form.src, form.sport, form.id)
        for one in {form, turned}:
            found.setdefault((each["proto"], one), []).append(each)
    return found


def _form(side: dict[str, Any]) -> FlowTuple:
    return FlowTuple(side["src"], side["sport"], side["dst"], side["dport"], side.get("id"))
