"""Connections whose two directions pass one point in tuples that do not mirror each other.

No two points show the same packet here: only one side of the translation was captured.
TCP: a SYN without an answer, and a SYN-ACK without a SYN, that belong together by their numbers
(`fate.verdict.half_translations`). Which of the two tuples is the original one, MACs or private addresses must show: a
firewall may record what it receives only.
UDP: requests to a loopback address and answers of it from another port, as the embedded DNS of a container does it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import repeated_positions, row_hash
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import (
    destination,
    is_loopback,
    is_private,
    source,
)
from capnet.analysis.core.schema import FlowMask, FlowRows, FlowTable, PerFlow, Values
from capnet.analysis.facts.nat.translation_steps import TranslationStep
from capnet.analysis.fate.verdict.half_translations import HalfTranslations, half_translations, share_an_end
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
    unpaired_rows = np.flatnonzero(unpaired)
    if not len(unpaired_rows):
        return
    of_tcp = half_translations(flows, unpaired_rows)
    of_udp = _udp_pairs(flows, unpaired_rows[flows[unpaired_rows, schema.FLOW_PROTO] == UDP])
    requests, answered = (np.concatenate(rows) for rows in zip(of_tcp, of_udp, strict=True))
    shared_numbers = _shared_numbers(flows) if len(of_tcp.requests) else set()
    for at in np.argsort(answered).tolist():
        request, answer = int(requests[at]), int(answered[at])
        is_tcp = flows[request, schema.FLOW_PROTO] == TCP
        is_of_scan = is_tcp and int(flows[request, schema.FLOW_FIRST_SEQ]) in shared_numbers
        if is_of_scan or flows[request, schema.FLOW_FIRST] > flows[answer, schema.FLOW_FIRST]:
            continue
        is_entering = _is_entering(context, request, answer)
        if is_entering is not None:
            yield TranslationStep(request, answer, TCP_CONFIDENCE if is_tcp else UDP_CONFIDENCE, is_entering)


def _udp_pairs(flows: FlowTable, rows: FlowRows) -> HalfTranslations:
    """Of these rows, requests to a loopback address with the only answer that another port of it gives.

    Two candidates for one answer give none.
    """
    requests: dict[_Key, list[int]] = {}
    for row in rows.tolist():
        if key := _request_key(flows[row].tolist()):
            requests.setdefault(key, []).append(row)
    answer_keys = {row: key for row in rows.tolist() if (key := _answer_key(flows[row].tolist())) in requests}
    answer_counts = Counter(answer_keys.values())
    pairs = []
    for answer, key in answer_keys.items():
        if len(requests[key]) > MAX_ALIKE_REQUESTS or answer_counts[key] > 1:
            continue
        earlier = [
            row
            for row in requests[key]
            if flows[row, schema.FLOW_FIRST] <= flows[answer, schema.FLOW_FIRST]
            and share_an_end(flows, np.array([row]), np.array([answer])).all()
        ]
        if len(earlier) == 1:
            pairs.append((earlier[0], answer))
    of_both = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return HalfTranslations(of_both[:, 0], of_both[:, 1])


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
    """What the answer to a datagram has in common with it; empty for one to another address than of loopback."""
    if not is_loopback(row[schema.FLOW_DST_HI], row[schema.FLOW_DST_LO]):
        return ()
    return *_where(row), _source_key(row), row[schema.FLOW_SPORT], _destination_key(row)


def _answer_key(row: list[int]) -> _Key:
    """The key of the request that a datagram may answer; empty for one from another address than of loopback."""
    if not is_loopback(row[schema.FLOW_SRC_HI], row[schema.FLOW_SRC_LO]):
        return ()
    return *_where(row), _destination_key(row), row[schema.FLOW_DPORT], _source_key(row)


def _where(row: list[int]) -> tuple[int, int, int, int]:
    return row[schema.FLOW_POINT], row[schema.FLOW_VIA], row[schema.FLOW_VIA_VNI], row[schema.FLOW_DEPTH]


def _source_key(row: list[int]) -> bytes:
    return address_key(row[schema.FLOW_SRC_HI], row[schema.FLOW_SRC_LO])


def _destination_key(row: list[int]) -> bytes:
    return address_key(row[schema.FLOW_DST_HI], row[schema.FLOW_DST_LO])
