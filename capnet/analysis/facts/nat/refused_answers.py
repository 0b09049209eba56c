"""Datagrams that answer from another address than the one that was asked, and that the client refuses.

Input: ICMP errors, flows, speakers. Output: `RefusedAnswer`s, by asked address, port and answering address. Method: the
client says "port unreachable" about a datagram from the port that it asked, of another address, while its question has
no answer. Not where it asked the answering address as well, from the same port. The question was translated if it was
sent to the answering address by the same port of the client, or if it went to a gateway, which does not have the asked
address, and a neighbour answered. Limits: not questions to groups.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import combined_hash, hash_of, is_among
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import destination, is_to_group, ports, replies, source
from capnet.analysis.core.schema import FlowRow, FlowRows
from capnet.analysis.facts.icmp_errors import IcmpError, icmp_errors
from capnet.analysis.fate.next_points import chain_of
from capnet.analysis.fate.speakers import speakers
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_value
from capnet.wire.numbers import UDP


class RefusedAnswer(NamedTuple):
    """What clients asked of an address, and what another one answered."""

    asked: str
    port: int
    answered: str
    errors: list[IcmpError]
    is_translated: bool
    are_neighbours: bool  # client and answering station are on one link

    @property
    def clients(self) -> list[str]:
        """Who asked."""
        return sorted({error.quoted.dst for error in self.errors}, key=address_value)

    @property
    def refusals(self) -> int:
        """ICMP messages, the largest number at one point of each kind."""
        return sum(error.packets for error in self.errors)


@derived
def refused_answers(context: Context) -> list[RefusedAnswer]:
    """All of them, by address, port and answering address."""
    refused = refused_datagrams(context)
    rows = _by_ends(context)
    asked_from = _unanswered_questions(context, rows)
    groups: dict[tuple[str, int, str], list[IcmpError]] = {}
    for error in refused:
        quoted = error.quoted
        for asked in sorted(asked_from.get((quoted.dst, quoted.dport, quoted.sport), ())):
            if asked != quoted.src and not _is_asked_itself(context, rows, asked, error):
                groups.setdefault((asked, quoted.sport, quoted.src), []).append(error)
    return [
        RefusedAnswer(
            *key, errors, any(_is_translated(context, rows, key, error) for error in errors),
            any(_are_neighbours(context, rows, key, error) for error in errors),
        )
        for key, errors in sorted(groups.items())
    ]  # fmt: skip


@derived
def refused_datagrams(context: Context) -> list[IcmpError]:
    """What hosts said of datagrams to ports of theirs that nothing listens at, most frequent first."""
    return [error for error in icmp_errors(context) if error.is_refused_datagram]


@derived
def flows_of_refusing(context: Context) -> FlowRows:
    """UDP flows from or to an address and port that refused a datagram. All others are none of these questions."""
    refused, flows = refused_datagrams(context), context.flows
    if not refused:
        return np.zeros(0, dtype=np.int64)
    refusing = {(*address_value(error.quoted.dst), error.quoted.dport) for error in refused}
    ends = combined_hash(list(np.array(sorted(refusing), dtype=np.int64).T))
    rows = np.flatnonzero(flows[:, schema.FLOW_PROTO] == UDP)
    is_one = is_among(hash_of(flows, schema.FLOW_SRC_END, rows), ends)
    is_one |= is_among(hash_of(flows, schema.FLOW_DST_END, rows), ends)
    return rows[is_one]


_Ends = tuple[str, int, str, int]


def _by_ends(context: Context) -> dict[_Ends, list[int]]:
    """`flows_of_refusing` by source, its port, destination and its port, but for groups."""
    flows = context.flows
    rows: dict[_Ends, list[int]] = {}
    for row in flows_of_refusing(context).tolist():
        sport, dport = ports(flows[row])
        if sport is not None and dport is not None and not is_to_group(flows[row]):
            rows.setdefault((source(flows[row]), sport, destination(flows[row]), dport), []).append(row)
    return rows


def _unanswered_questions(context: Context, rows: dict[_Ends, list[int]]) -> dict[tuple[str, int, int], set[str]]:
    """Client, its port and the server's port → servers that it asked by UDP without an answer."""
    answers = replies(context)
    questions: dict[tuple[str, int, int], set[str]] = {}
    for (src, sport, dst, dport), of_ends in rows.items():
        if (answers[of_ends] < 0).any():
            questions.setdefault((src, sport, dport), set()).add(dst)
    return questions


def _is_asked_itself(context: Context, rows: dict[_Ends, list[int]], asked: str, error: IcmpError) -> bool:
    """Did the client ask the answering address, too, from the same port: with another packet, by its own MAC?"""
    quoted, flows, chain = error.quoted, context.flows, chain_of(context)
    questions = rows.get((quoted.dst, quoted.dport, asked, quoted.sport), [])
    chains = set(chain[questions].tolist())
    senders = set(flows[questions, schema.FLOW_SMAC].tolist())
    others = rows.get((quoted.dst, quoted.dport, quoted.src, quoted.sport), [])
    return any(chain[row] not in chains and flows[row, schema.FLOW_SMAC] in senders for row in others)


def _is_translated(context: Context, rows: dict[_Ends, list[int]], key: tuple[str, int, str], error: IcmpError) -> bool:
    """Was the question sent on to the answering address, or to a gateway while a neighbour answered?"""
    asked, port, answered = key
    client, sport = error.quoted.dst, error.quoted.dport
    if (client, sport, answered, port) in rows:
        return True
    by_point = {int(context.flows[row, schema.FLOW_POINT]): row for row in rows.get((client, sport, asked, port), ())}
    for row in rows.get((answered, port, client, sport), ()):
        answer = context.flows[row]
        question = by_point.get(int(answer[schema.FLOW_POINT]))
        if question is not None and _is_from_neighbour(context, answer):
            mac = int(context.flows[question, schema.FLOW_DMAC])
            gateway = speakers(context, int(answer[schema.FLOW_POINT])).get(mac)
            is_own = gateway is not None and (asked in gateway.own or asked in gateway.claimed)
            return mac > 0 and mac != int(answer[schema.FLOW_SMAC]) and not is_own
    return False


def _are_neighbours(
    context: Context, rows: dict[_Ends, list[int]], key: tuple[str, int, str], error: IcmpError
) -> bool:
    answers = rows.get((key[2], key[1], error.quoted.dst, error.quoted.dport), ())
    return any(_is_from_neighbour(context, context.flows[row]) for row in answers)


def _is_from_neighbour(context: Context, answer: FlowRow) -> bool:
    """Did the answer come from the server's own MAC to the client's own one?"""
    by_mac = speakers(context, int(answer[schema.FLOW_POINT]))
    server, client = (by_mac.get(int(answer[column])) for column in (schema.FLOW_SMAC, schema.FLOW_DMAC))
    if server is None or client is None:
        return False
    return all(
        address in speaker.own or address in speaker.claimed
        for speaker, address in ((server, source(answer)), (client, destination(answer)))
    )
