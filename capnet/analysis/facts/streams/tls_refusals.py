"""TLS handshakes that an end ends by a fatal alert, beside those of the same service that go well.

Input: how connections begin (`openings`) and the alerts of TLS. Output: `RefusedTls`, one for each service, alert and
end that sends it. Not an alert after which the client gets on with the service at once, as with an older version; trust
in a certificate does not come by trying again, so another client of the same address may do so.
Limits: what TLS encrypts: of version 1.3 nearly all alerts but those about version, cipher and name.
"""

from __future__ import annotations

from bisect import bisect_left

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import first_equal, hash_of, row_hash
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, replies, source
from capnet.analysis.core.payload import TlsAlert
from capnet.analysis.facts.streams.openings import Opening, is_client_hello, is_server_hello, openings
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_value
from capnet.wire.numbers import TCP
from capnet.wire.protocols import tls

MAX_RETRY_NS = 5_000_000_000  # a client that goes on in another way, does so at once
_FLOW = [*schema.FLOW_PLACE, *schema.FLOW_ADDRESSES, schema.FLOW_SPORT, schema.FLOW_DPORT]


class RefusedTls(NamedTuple):
    """Handshakes with one service that the same end ends by the same alert."""

    server: str
    port: int
    description: int  # of the alert
    is_by_client: bool
    openings: list[Opening]
    frames: list[int]  # of the alerts, one for each opening
    served: int  # other connections of these clients whose handshake the service took up, and nothing ended so


def refused_tls(context: Context) -> list[RefusedTls]:
    """Of all services, in the order of their addresses and ports."""
    alerts = _fatal_alerts(context)
    if not alerts:
        return []
    answers = replies(context)
    groups: dict[tuple[tuple[int, int], int, bool, int], list[tuple[Opening, TlsAlert]]] = {}
    served: dict[tuple[tuple[int, int], int, str], list[int]] = {}
    for opening in openings(context):
        if not is_client_hello(opening.client):
            continue
        flow = context.flows[opening.row]
        service = address_value(destination(flow)), int(flow[schema.FLOW_DPORT])
        by_client = alerts.get(opening.row)
        alert = by_client or alerts.get(int(answers[opening.row]))
        if alert:
            groups.setdefault((*service, by_client is not None, alert.description), []).append((opening, alert))
        elif is_server_hello(opening.server):
            served.setdefault((*service, source(flow)), []).append(int(flow[schema.FLOW_FIRST]))
    refusals = []
    for (address, port, is_by_client, description), refused in sorted(groups.items()):
        begins = {
            client: sorted(served.get((address, port, client), []))
            for client in {source(context.flows[opening.row]) for opening, _ in refused}
        }
        is_final = description in tls.ABOUT_CERTIFICATES
        lasting = [pair for pair in refused if is_final or not _goes_on(context, pair[0], begins)]
        if lasting:
            of_service, frames = [opening for opening, _ in lasting], [alert.frame for _, alert in lasting]
            clients = {source(context.flows[opening.row]) for opening in of_service}
            refusals.append(
                RefusedTls(
                    destination(context.flows[of_service[0].row]), port, description, is_by_client, of_service, frames,
                    sum(len(begins[client]) for client in clients),
                )
            )  # fmt: skip
    return refusals


def _fatal_alerts(context: Context) -> dict[int, TlsAlert]:
    """Flow row → its first fatal alert with a reason."""
    alerts = [alert for alert in context.tls_alerts if alert.is_fatal and alert.description in tls.ALERTS]
    if not alerts:
        return {}
    is_tcp = np.flatnonzero(context.flows[:, schema.FLOW_PROTO] == TCP)
    wanted = row_hash(np.array([alert[: len(_FLOW)] for alert in alerts], dtype=np.int64))
    position = first_equal(hash_of(context.flows, _FLOW, is_tcp).view(np.int64), wanted.view(np.int64))
    rows: dict[int, TlsAlert] = {}
    for place, alert in zip(position.tolist(), alerts, strict=True):
        if place >= 0:
            rows.setdefault(int(is_tcp[place]), alert)
    return rows


def _goes_on(context: Context, opening: Opening, begins: dict[str, list[int]]) -> bool:
    """Does the client connect again soon, and get on then?"""
    flow = context.flows[opening.row]
    of_client, began = begins[source(flow)], int(flow[schema.FLOW_FIRST])
    following = bisect_left(of_client, began)
    return following < len(of_client) and of_client[following] - began <= MAX_RETRY_NS
