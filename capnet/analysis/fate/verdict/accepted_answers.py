"""Answers of DNS that come from another address than was asked, and that the client takes.

A bridge whose packets pass netfilter (`net.bridge.bridge-nf-call-iptables`) shows the questions of a container behind
DNAT, and the answers translated back: `tcpdump -i cni0 port 53` on a node of Kubernetes.

Input: flows, ICMP errors, DNS messages. Output: per flow of questions, are its answers of that kind?
Method: no ICMP error quotes the answers, as a connected socket causes it, and no question is sent again by the same
port with the same id, as resolvers do that compare the address themselves.
Limits: an answer that a firewall in front of the client drops is taken for accepted.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import hash_of, is_among
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.schema import FlowMask, Values
from capnet.analysis.correlate.duplicates import duplicate_delays_ns
from capnet.analysis.fate.answers import other_address_answers, quoting_errors
from capnet.wire.numbers import PORT_DNS

_RESPONSE = 0x8000  # of DNS_FLAGS: QR
_FLOW_COLUMNS = [*schema.FLOW_PLACE, *schema.FLOW_SRC_END]
_SENDER = [
    schema.DNS_POINT, schema.DNS_VIA, schema.DNS_VIA_VNI, schema.DNS_SRC_HI, schema.DNS_SRC_LO, schema.DNS_SPORT,
]  # fmt: skip
_QUESTION = [*_SENDER, schema.DNS_ID, schema.DNS_NAME, schema.DNS_QTYPE]


@derived
def are_accepted_from_elsewhere(context: Context) -> FlowMask:
    """Per flow of DNS questions: does another address answer, and does the client take its answers?"""
    flows, answers = context.flows, other_address_answers(context)
    mask: FlowMask = (answers >= 0) & (flows[:, schema.FLOW_DPORT] == PORT_DNS)
    rows = np.flatnonzero(mask)
    if not len(rows):
        return mask
    table = context.dns.table
    questions = table[table[:, schema.DNS_FLAGS] & _RESPONSE == 0]
    senders = hash_of(flows, _FLOW_COLUMNS, rows).view(np.int64)
    is_decoded = is_among(senders, hash_of(questions, _SENDER).view(np.int64))
    is_repeated = is_among(senders, _senders_that_repeat(context, questions))
    mask[rows] = is_decoded & ~is_repeated & (quoting_errors(context)[answers[rows]] < 0)
    return mask


def _senders_that_repeat(context: Context, questions: Values) -> Values:
    """Hashes of the ports that send a question with one id again. What `any` records twice is one question."""
    keys = hash_of(questions, _QUESTION)
    order = np.lexsort((questions[:, schema.DNS_TIME], keys))
    is_again = keys[order][1:] == keys[order][:-1]
    delays_ns = duplicate_delays_ns(context)[questions[order, schema.DNS_POINT]]
    is_again &= np.diff(questions[order, schema.DNS_TIME]) > delays_ns[1:]
    return hash_of(questions, _SENDER)[order][1:][is_again].view(np.int64)
