"""What share each protocol has, from the network layer inwards: the protocol hierarchy.

A frame inside a tunnel counts in its own protocols, below the tunnel, and in those of its carrier.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.contract.volume import ProtocolShare
from capnet.analysis.core.derived import derived
from capnet.analysis.core.schema import FlowMask
from capnet.analysis.facts.volume import applications
from capnet.analysis.facts.volume.pairs import application_numbers, conversation_pairs
from capnet.wire.addresses import MAPPED
from capnet.wire.numbers import proto_name
from capnet.wire.protocols import KIND_OF_NUMBER

_PROTOCOLS, APPLICATIONS = 256, 128  # numbers of a key: IP's protocols; applications + 1, 0 = none


@derived
def protocol_facts(context: Context) -> list[ProtocolShare]:
    """A row for each layer."""
    return [ProtocolShare(*row) for row in protocol_rows(context)]


def protocol_rows(context: Context, chosen: FlowMask | None = None) -> list[tuple[str, int, int, int, int]]:
    """(layers, how many, flows, packets, bytes), each layer behind the one around it."""
    flows = context.flows
    if not len(flows):
        return []
    pairs = conversation_pairs(context)
    application = np.full(len(flows), -1, dtype=np.int64)
    application[pairs.forward] = application_numbers(context, pairs)
    answered = pairs.backward >= 0
    application[pairs.backward[answered]] = application[pairs.forward[answered]]
    is_ipv4 = (flows[:, schema.FLOW_SRC_HI] == 0) & (flows[:, schema.FLOW_SRC_LO] >> 32 == MAPPED >> 32)
    kinds = (flows[:, schema.FLOW_VIA] * 2 + is_ipv4) * _PROTOCOLS + flows[:, schema.FLOW_PROTO]
    keys = kinds * APPLICATIONS + application + 1
    rows = np.arange(len(flows)) if chosen is None else np.flatnonzero(chosen)
    groups = np.flatnonzero(np.bincount(keys[rows]))
    number = np.searchsorted(groups, keys[rows])
    sums = [np.bincount(number, minlength=len(groups))]
    for column in (schema.FLOW_PACKETS, schema.FLOW_BYTES):  # sums of doubles are exact below 2^53
        sums.append(np.bincount(number, flows[:, column][rows], len(groups)).astype(np.int64))
    totals: dict[tuple[str, ...], Counter[int]] = {}
    for key, *counts in zip(groups.tolist(), *(total.tolist() for total in sums), strict=True):
        kind, application_number = divmod(key, APPLICATIONS)
        network, proto = divmod(kind, _PROTOCOLS)
        layers = _layers(network // 2, network % 2, proto, application_number - 1)
        for depth in range(1 if network < 2 else 2, len(layers) + 1):
            totals.setdefault(layers[:depth], Counter()).update(dict(enumerate(counts)))
    ordered = sorted(totals, key=lambda layers: [(-totals[layers[:n]][2], layers[:n]) for n in _depths(layers, totals)])
    return [("/".join(layers), len(layers), *_three(totals[layers])) for layers in ordered]


def _three(total: Counter[int]) -> tuple[int, int, int]:
    return total[0], total[1], total[2]


def _depths(layers: tuple[str, ...], totals: dict[tuple[str, ...], Counter[int]]) -> list[int]:
    return [depth for depth in range(1, len(layers) + 1) if layers[:depth] in totals]


def _layers(via: int, is_ipv4: int, proto: int, application: int) -> tuple[str, ...]:
    around = (KIND_OF_NUMBER[via].name,) if via else ()
    named = (applications.NAMES[application],) if application >= 0 else ()
    return (*around, "ip" if is_ipv4 else "ipv6", proto_name(proto), *named)
