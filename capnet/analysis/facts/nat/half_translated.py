"""Connections whose two directions pass one point in tuples that do not mirror each other.

No two points show the same packet here: only one side of the translation was captured.
TCP: a SYN without an answer, and a SYN-ACK without a SYN, that acknowledges just this SYN and no other one. Which of
the two tuples is the original one, MACs or private addresses must show: a firewall may record what it receives only.
UDP: requests to a loopback address and answers of it from another port, as the embedded DNS of a container does it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_among, repeated_positions, row_hash
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import (
    awaited_acknowledgment,
    destination,
    first_acknowledgment,
    is_loopback,
    is_private,
    source,
)
from capnet.analysis.core.schema import FlowMask, FlowRows, FlowTable, PerFlow, Values
from capnet.analysis.facts.nat.translation_steps import TranslationStep
from capnet.wire.addresses import address_key
from capnet.wire.numbers import TCP, UDP

MAX_ALIKE_REQUESTS = 64  # that one answer may belong to: with more, sequence numbers or ports were chosen on purpose
TCP_CONFIDENCE = 0.95  # 32 bits of the acknowledgment number are right
UDP_CONFIDENCE = 0.8  # addresses and the client's port are right

_Key = tuple[int | bytes, ...]


def half_translated(context: Context, answers: PerFlow, linked_rows: FlowRows) -> Iterator[TranslationStep]:
    """One step without links per connection; two candidates for one answer give none.

    `answers` are the `replies` of the flows, `linked_rows` the flow rows whose translation links have shown.
    """
    flows = context.flows
    unpaired = (answers < 0) & (flows[:, schema.FLOW_PACKETS] > 0) & _may_be_half(flows)
    unpaired[linked_rows] = False
    unpaired_rows = _with_partners(flows, np.flatnonzero(unpaired))
    if not len(unpaired_rows):
        return
    requests: dict[_Key, list[int]] = {}
    for row in unpaired_rows.tolist():
        key = _request_key(flows[row].tolist())
        if key:
            requests.setdefault(key, []).append(row)
    answer_keys = {row: key for row in unpaired_rows.tolist() if (key := _answer_key(flows[row].tolist()))}
    answer_counts = Counter(answer_keys.values())
    shared_numbers = _shared_numbers(flows)
    for answer, key in answer_keys.items():
        if len(requests.get(key, ())) > MAX_ALIKE_REQUESTS or answer_counts[key] > 1:
            continue
        candidates = [
            request
            for request in requests.get(key, ())
            if flows[request, schema.FLOW_FIRST] <= flows[answer, schema.FLOW_FIRST]
            and _shares_an_end(flows[request], flows[answer])
            and (key[0] != TCP or int(flows[request, schema.FLOW_FIRST_SEQ]) not in shared_numbers)
        ]
        is_entering = _is_entering(context, candidates[0], answer) if len(candidates) == 1 else None
        if is_entering is not None:
            confidence = TCP_CONFIDENCE if key[0] == TCP else UDP_CONFIDENCE
            yield TranslationStep(candidates[0], answer, confidence, is_entering)


def _is_entering(context: Context, request: int, answer: int) -> bool | None:
    """Does the point show what enters the translator, or what leaves it? None if nothing shows that.

    A bridge, loopback, and the own interface of who asks show the request translated and the answer translated back.
    Else what is sent to one MAC enters it, and what one MAC sends leaves it; private addresses hide behind public ones.
    """
    flows = context.flows
    smac, dmac = (flows[[request, answer], column].tolist() for column in (schema.FLOW_SMAC, schema.FLOW_DMAC))
    servers = (flows[answer, schema.FLOW_SRC], flows[request, schema.FLOW_DST])
    is_own = any(is_loopback(*server.tolist()) for server in servers) or smac[0] == dmac[1] > 0
    is_own = is_own or dmac[0] < 0  # `any` hears its own host, and has no destination MACs
    if is_own or context.points[int(flows[request, schema.FLOW_POINT])].role == "bridge":
        return False
    enters, leaves = dmac[0] == dmac[1] > 0, smac[0] == smac[1] > 0
    votes = {enters} if enters != leaves else set()
    is_request_hidden = _is_hidden(flows[request], flows[answer])
    if is_request_hidden is not None:
        votes.add(is_request_hidden)
    return votes.pop() if len(votes) == 1 else None


def _is_hidden(request: Values, answer: Values) -> bool | None:
    """Is the request one to a public address that hides a private one, or of a private one that will be hidden?

    None if both addresses are private, or both public. A client's public address may become a balancer's private one.
    """
    asked, answering = request.tolist(), answer.tolist()
    is_snat = (request[schema.FLOW_DST_END] == answer[schema.FLOW_SRC_END]).all()
    if is_snat and is_private(destination(asked)):
        return None
    ends = (source(asked), destination(answering)) if is_snat else (source(answering), destination(asked))
    is_first, is_second = map(is_private, ends)
    return is_first if is_first != is_second else None


def _with_partners(flows: FlowTable, rows: FlowRows) -> FlowRows:
    """Those of these rows that are UDP, or SYNs and SYN-ACKs with a number that one of the other kind has too.

    A port scan has SYNs only: nothing of it is left.
    """
    numbers = flows[rows, schema.FLOW_FIRST_SEQ]
    expected, acknowledged = awaited_acknowledgment(numbers), first_acknowledgment(numbers)
    is_syn, is_synack = (flows[rows, column] >= 0 for column in (schema.FLOW_SYN_TIME, schema.FLOW_SYNACK_TIME))
    has_partner = is_syn & is_among(expected, acknowledged[is_synack])
    has_partner |= is_synack & is_among(acknowledged, expected[is_syn])
    return rows[has_partner | (flows[rows, schema.FLOW_PROTO] == UDP)]


def _shared_numbers(flows: FlowTable) -> set[int]:
    """First TCP numbers that several flows of one point have: a scanner gives all its probes the same."""
    is_tcp = flows[:, schema.FLOW_PROTO] == TCP
    columns = [*schema.FLOW_PLACE, schema.FLOW_DEPTH, schema.FLOW_FIRST_SEQ]
    keys = row_hash(flows[np.ix_(is_tcp, columns)])
    order = np.argsort(keys)
    return set(flows[is_tcp, schema.FLOW_FIRST_SEQ][order[repeated_positions(keys[order])]].tolist())


def _may_be_half(flows: FlowTable) -> FlowMask:
    """Could a flow be such a request or answer? Few flows of many are."""
    has_syn = (flows[:, schema.FLOW_SYN_TIME] >= 0) | (flows[:, schema.FLOW_SYNACK_TIME] >= 0)
    is_local = is_loopback(flows[:, schema.FLOW_SRC_HI], flows[:, schema.FLOW_SRC_LO])
    is_local |= is_loopback(flows[:, schema.FLOW_DST_HI], flows[:, schema.FLOW_DST_LO])
    proto = flows[:, schema.FLOW_PROTO]
    may_be: FlowMask = ((proto == TCP) & has_syn) | ((proto == UDP) & is_local)
    return may_be


def _request_key(row: list[int]) -> _Key:
    """What the answer to a request has in common with it; empty for anything else."""
    if row[schema.FLOW_PROTO] == TCP and row[schema.FLOW_SYN_TIME] >= 0:
        return (TCP, *_where(row), awaited_acknowledgment(row[schema.FLOW_FIRST_SEQ]))
    if row[schema.FLOW_PROTO] == UDP and is_loopback(row[schema.FLOW_DST_HI], row[schema.FLOW_DST_LO]):
        return (UDP, *_where(row), _source_key(row), row[schema.FLOW_SPORT], _destination_key(row))
    return ()


def _answer_key(row: list[int]) -> _Key:
    """The key of the request that a flow may answer; empty for anything else."""
    if row[schema.FLOW_PROTO] == TCP and row[schema.FLOW_SYNACK_TIME] >= 0:
        return (TCP, *_where(row), first_acknowledgment(row[schema.FLOW_FIRST_SEQ]))
    if row[schema.FLOW_PROTO] == UDP and is_loopback(row[schema.FLOW_SRC_HI], row[schema.FLOW_SRC_LO]):
        return (UDP, *_where(row), _destination_key(row), row[schema.FLOW_DPORT], _source_key(row))
    return ()


def _where(row: list[int]) -> tuple[int, int, int, int]:
    return row[schema.FLOW_POINT], row[schema.FLOW_VIA], row[schema.FLOW_VIA_VNI], row[schema.FLOW_DEPTH]


def _source_key(row: list[int]) -> bytes:
    return address_key(row[schema.FLOW_SRC_HI], row[schema.FLOW_SRC_LO])


def _destination_key(row: list[int]) -> bytes:
    return address_key(row[schema.FLOW_DST_HI], row[schema.FLOW_DST_LO])


def _shares_an_end(request: Values, answer: Values) -> bool:
    """NAT of one kind leaves one end of the connection as it is."""
    same_client = (request[schema.FLOW_SRC_END] == answer[schema.FLOW_DST_END]).all()
    same_server = (request[schema.FLOW_DST_END] == answer[schema.FLOW_SRC_END]).all()
    return bool(same_client or same_server)
