"""DNS lookups: each question of a client, how often it was sent, and what was answered.

Input: the DNS messages of the pass. Output: `DnsLookup`s, by the time of their first question. Method: a question that
is sent again has the same client, port, id, name and type; an answer is its own if it goes to that client and port with
that id, whichever address it comes from. Limits: UDP; the messages that the pass kept; points that record both
directions.
"""

from __future__ import annotations

from dataclasses import field

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import hash_of, row_hash
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.results import Evidence
from capnet.analysis.core.schema import DnsTable, Mask, Values
from capnet.analysis.correlate.duplicates import duplicate_delays_ns
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.fate.listening import records_one_direction
from capnet.quick_dataclass import state
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_text
from capnet.wire.numbers import PORT_DNS, UDP

NO_ERROR, SERVER_FAILURE, NO_SUCH_NAME = 0, 2, 3  # RFC 1035 section 4.1.1: RCODE
CODE_NAMES = {
    1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED",
    6: "YXDOMAIN", 7: "YXRRSET", 8: "NXRRSET", 9: "NOTAUTH", 10: "NOTZONE",  # of updates (RFC 2136)
}  # fmt: skip
TYPE_A, TYPE_AAAA = 1, 28
TYPE_NAMES = {
    1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 12: "PTR", 15: "MX", 16: "TXT", 28: "AAAA", 33: "SRV", 65: "HTTPS",
}  # fmt: skip
_RESPONSE, _TRUNCATED, _RESERVED = 0x8000, 0x0200, 0x0040  # of DNS_FLAGS; the last one must be 0 (RFC 1035)
_MAX_OPCODE = 6  # DNS Stateful Operations is the last one (RFC 8490)


class DnsAnswer(NamedTuple):
    """One answer to a lookup."""

    time: int  # ns
    frame: int
    server: str
    code: int
    is_truncated: bool
    records: int  # in its answer section


class FailedAnswer(NamedTuple):
    """An answer with a result code, whether its question was captured or not."""

    point: int
    frame: int
    server: str
    code: int
    name: str  # "" where it is not known


@state
class DnsLookup:
    """One question of a client at one point. Times in ns, `asked` and `answers` in order of time."""

    point: int
    client: str
    port: int
    server: str  # that was asked
    name: str | None  # None where the message was cut
    type: int
    flow: int  # row of the questions in the flow table, -1 if it is not in there
    is_first_hop: bool  # no earlier point shows these questions
    asked: list[int] = field(default_factory=list)
    frames: list[int] = field(default_factory=list)  # of the questions
    answers: list[DnsAnswer] = field(default_factory=list)

    @property
    def type_name(self) -> str:
        """A, AAAA …; `type 99` for what has no name here."""
        return TYPE_NAMES.get(self.type, f"type {self.type}")

    @property
    def is_found(self) -> bool:
        """Did an answer bring a record?"""
        return any(answer.code == NO_ERROR and answer.records for answer in self.answers)

    @property
    def is_no_such_name(self) -> bool:
        """Did all answers say that the name does not exist?"""
        return bool(self.answers) and all(answer.code == NO_SUCH_NAME for answer in self.answers)

    def answers_before(self, time: int) -> list[DnsAnswer]:
        """The answers before a time."""
        return [answer for answer in self.answers if answer.time < time]

    def asker(self, context: Context) -> str:
        """The container whose point it is, else the name or address of the client."""
        point = context.points[self.point].name
        listening = context.topology.point(point) if context.topology else None
        if context.topology and listening and listening.container:
            return listening.container
        return context.topology.names_at(point).get(self.client, self.client) if context.topology else self.client

    def evidence(self, context: Context) -> list[Evidence]:
        """Its questions and answers, in order of frames."""
        return [
            context.evidence(self.point, frame) for frame in sorted([*self.frames, *(a.frame for a in self.answers)])
        ]


@derived
def dns_lookups(context: Context) -> list[DnsLookup]:
    """Every lookup at every point; answers to questions that were not captured are left out."""
    table, flow_rows = context.dns.table, _flow_rows(context)
    shows_answers = ~records_one_direction(context)[table[:, schema.DNS_POINT]]
    table, flow_rows = table[shows_answers], flow_rows[shows_answers]
    is_first_hop = flow_links(context).before < 0
    lookups: dict[tuple[int, ...], DnsLookup] = {}
    delays_ns = duplicate_delays_ns(context).tolist()
    order = np.argsort(table[:, schema.DNS_TIME], kind="stable")
    for row, flow in zip(table[order].tolist(), flow_rows[order].tolist(), strict=True):
        is_answer = bool(row[schema.DNS_FLAGS] & _RESPONSE)
        client = _DESTINATION if is_answer else _SOURCE
        key = (
            row[schema.DNS_POINT], row[schema.DNS_VIA], *(row[column] for column in client), row[schema.DNS_ID],
            row[schema.DNS_NAME], row[schema.DNS_QTYPE],
        )  # fmt: skip
        lookup = lookups.get(key)
        time = row[schema.DNS_TIME]
        if is_answer:
            if lookup and not (lookup.answers and time - lookup.answers[-1].time <= delays_ns[row[schema.DNS_POINT]]):
                lookup.answers.append(_answer(row))
            continue
        if not lookup:
            lookup = lookups[key] = _lookup(context, row, flow, flow < 0 or bool(is_first_hop[flow]))
        if (
            not lookup.asked or time - lookup.asked[-1] > delays_ns[row[schema.DNS_POINT]]
        ):  # else recorded twice, as at `any`
            lookup.asked.append(time)
            lookup.frames.append(row[schema.DNS_FRAME])
    return list(lookups.values())


@derived
def failed_answers(context: Context) -> list[FailedAnswer]:
    """Every answer that says that a name could not be resolved, in the order of the pass."""
    table, names = context.dns.table, context.dns.names
    flags = table[:, schema.DNS_FLAGS]
    is_answer = (flags & _RESPONSE != 0) & (table[:, schema.DNS_SPORT] == PORT_DNS) & has_dns_header(table)
    return [
        FailedAnswer(
            row[schema.DNS_POINT], row[schema.DNS_FRAME], address_text(row[schema.DNS_SRC_HI], row[schema.DNS_SRC_LO]),
            row[schema.DNS_FLAGS] & 15, names[row[schema.DNS_NAME]] if row[schema.DNS_NAME] >= 0 else "",
        )
        for row in table[is_answer & (flags & 15 != NO_ERROR)].tolist()
    ]  # fmt: skip


def has_dns_header(table: DnsTable) -> Mask:
    """Per message: are its flags those of DNS? Other protocols and random octets use the port, too."""
    flags = table[:, schema.DNS_FLAGS]
    mask: Mask = (flags >> 11 & 15 <= _MAX_OPCODE) & (flags & _RESERVED == 0)
    return mask


_SOURCE = (schema.DNS_SRC_HI, schema.DNS_SRC_LO, schema.DNS_SPORT)
_DESTINATION = (schema.DNS_DST_HI, schema.DNS_DST_LO, schema.DNS_DPORT)


def _lookup(context: Context, row: list[int], flow: int, is_first_hop: bool) -> DnsLookup:
    name = row[schema.DNS_NAME]
    return DnsLookup(
        row[schema.DNS_POINT],
        address_text(row[schema.DNS_SRC_HI], row[schema.DNS_SRC_LO]),
        row[schema.DNS_SPORT],
        address_text(row[schema.DNS_DST_HI], row[schema.DNS_DST_LO]),
        context.dns.names[name] if name >= 0 else None,
        row[schema.DNS_QTYPE],
        flow,
        is_first_hop,
    )


def _answer(row: list[int]) -> DnsAnswer:
    flags = row[schema.DNS_FLAGS]
    server = address_text(row[schema.DNS_SRC_HI], row[schema.DNS_SRC_LO])
    return DnsAnswer(
        row[schema.DNS_TIME],
        row[schema.DNS_FRAME],
        server,
        flags & 15,
        bool(flags & _TRUNCATED),
        row[schema.DNS_ANSWERS],
    )


def _flow_rows(context: Context) -> Values:
    """The row of each message in the flow table, -1 if it is not in there."""
    table, flows = context.dns.table, context.flows
    has_port = (flows[:, schema.FLOW_SPORT] == PORT_DNS) | (flows[:, schema.FLOW_DPORT] == PORT_DNS)
    rows = np.flatnonzero((flows[:, schema.FLOW_PROTO] == UDP) & has_port)
    if not len(rows) or not len(table):
        return np.full(len(table), -1)
    hashes = hash_of(flows, _FLOW_COLUMNS, rows)
    rows, hashes = rows[order := np.argsort(hashes)], hashes[order]
    wanted = row_hash(table[:, _DNS_COLUMNS])
    position = np.minimum(np.searchsorted(hashes, wanted), len(hashes) - 1)
    return np.where(hashes[position] == wanted, rows[position], -1)


_FLOW_COLUMNS = [*schema.FLOW_PLACE, *schema.FLOW_ADDRESSES, schema.FLOW_SPORT, schema.FLOW_DPORT]
_DNS_COLUMNS = [
    schema.DNS_POINT, schema.DNS_VIA, schema.DNS_VIA_VNI, schema.DNS_SRC_HI, schema.DNS_SRC_LO, schema.DNS_DST_HI,
    schema.DNS_DST_LO, schema.DNS_SPORT, schema.DNS_DPORT,
]  # fmt: skip
