"""How TCP connections begin: the first octets of the client and of the server, at the first point that shows both.

Input: the first octets of both directions (`aggregate.payload.streams`). Output: `Opening`s, in order of flow rows.
Limits: the connections that the pass kept; not ports that are used again.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import distinct
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import replies, sequence_span
from capnet.analysis.core.payload import StreamStart
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.streams.directions import rows_of_directions
from capnet.quick_tuple import NamedTuple
from capnet.wire.numbers import TCP, TCP_FIN, TCP_RST
from capnet.wire.protocols import tls

MAX_CONTROL = 2  # sequence numbers of SYN and FIN
_STATUS_LINE = 12  # octets of `HTTP/1.1 400`
# What nginx, Go, Apache and Tomcat answer to a plain request at a port of TLS.
HTTPS_HINTS = (b"HTTPS port", b"HTTPS server", b"SSL-enabled server port", b"requires TLS")
# Servers of these protocols speak first, and go on with TLS only after a command in plain text.
GREETINGS = {b"SSH-": "SSH", b"220": "SMTP, FTP", b"+OK": "POP3", b"* OK": "IMAP"}
_METHODS = (b"GET ", b"POST ", b"PUT ", b"HEAD ", b"DELETE ", b"OPTIONS ", b"PATCH ", b"CONNECT ", b"PRI * HTTP/2")


class Opening(NamedTuple):
    """What both ends of a connection say first; no octets: nothing, or they were not captured."""

    row: int  # flow row of the client
    client: bytes
    server: bytes
    client_frame: int  # -1 if it sends nothing
    server_frame: int
    is_ended_without_octets: bool  # by the server, with FIN or RST; its sequence numbers leave room for SYN and FIN

    @property
    def is_client_first(self) -> bool:
        """Does the client speak first?"""
        return self.client_frame >= 0 and (self.server_frame < 0 or self.client_frame < self.server_frame)

    @property
    def frames(self) -> list[int]:
        """Of what they say first."""
        return [frame for frame in (self.client_frame, self.server_frame) if frame >= 0]


@derived
def stream_starts(context: Context) -> dict[int, StreamStart]:
    """Flow row → the first octets of it, where they were kept."""
    rows = rows_of_directions(context, context.stream_starts, TCP).tolist()
    return {row: start for row, start in zip(rows, context.stream_starts, strict=True) if row >= 0}


@derived
def openings(context: Context) -> list[Opening]:
    """Of all connections whose SYN was captured and that an end said something in."""
    starts, flows, answers = stream_starts(context), context.flows, replies(context)
    rows = np.array([*starts, *answers[list(starts)].tolist()], dtype=np.int64)
    rows = distinct(rows[rows >= 0])
    is_client = (flows[rows, schema.FLOW_SYNS] > 0) & (flow_links(context).before[rows] < 0) & (answers[rows] >= 0)
    is_client &= flows[rows, schema.FLOW_TCP_FLAGS] & schema.USED_AGAIN == 0
    return [_opening(context, row, int(answers[row])) for row in rows[is_client].tolist()]


def _opening(context: Context, row: int, answer: int) -> Opening:
    starts = [stream_starts(context).get(flow_row) for flow_row in (row, answer)]
    octets = [start.octets if start else b"" for start in starts]
    frames = [start.frame if start else -1 for start in starts]
    of_server = context.flows[answer]
    is_ended = of_server[schema.FLOW_TCP_FLAGS] & (TCP_FIN | TCP_RST) != 0
    span = sequence_span(of_server[schema.FLOW_FIRST_SEQ], of_server[schema.FLOW_NEXT_SEQ])
    is_silent = of_server[schema.FLOW_PAYLOAD] == 0 and span <= MAX_CONTROL
    return Opening(row, octets[0], octets[1], frames[0], frames[1], bool(is_ended and is_silent))


def recognised_by(octets: bytes) -> list[slice]:
    """The parts of an end's first octets by which the functions of this module recognise what it speaks."""
    if is_tls_alert(octets):
        return [slice(tls.ALERT_LENGTH)]
    if is_tls(octets):
        return [slice(tls.HANDSHAKE_VERSION)]
    if http_status(octets) is not None:
        places = [(octets.find(words), words) for words in HTTPS_HINTS]
        return [slice(_STATUS_LINE), *(slice(at, at + len(words)) for at, words in places if at >= 0)]
    return [slice(len(start)) for start in (*_METHODS, *GREETINGS) if octets.startswith(start)]


def is_tls(octets: bytes) -> bool:
    """Is it a record of TLS, of version 3.0 to 3.4?"""
    return (
        octets[:1] != b"" and octets[0] in tls.RECORD_TYPES and octets[1:2] in (b"", b"\x03") and octets[2:3] <= b"\x04"
    )


def is_client_hello(octets: bytes) -> bool:
    """Does a client ask for TLS (RFC 8446 section 4.1.2)?"""
    return is_tls(octets) and octets[0] == tls.HANDSHAKE and octets[5:6] == bytes([tls.CLIENT_HELLO])


def is_server_hello(octets: bytes) -> bool:
    """Does a server take up TLS (RFC 8446 section 4.1.3)?"""
    return is_tls(octets) and octets[0] == tls.HANDSHAKE and octets[5:6] == bytes([tls.SERVER_HELLO])


def is_tls_alert(octets: bytes) -> bool:
    """Is it an alert of TLS that nothing encrypts, and nothing else (RFC 8446 section 6)?"""
    return tls.is_alert(octets)


def is_http_request(octets: bytes) -> bool:
    """Does it begin as a request of HTTP does, version 1 or 2, in plain text?"""
    return octets.startswith(_METHODS)


def http_status(octets: bytes) -> int | None:
    """The status code of an answer of HTTP (RFC 9112 section 4); None for what is none."""
    code = octets[9:12]
    return int(code) if octets.startswith(b"HTTP/1.") and len(code) == 3 and code.isdigit() else None
