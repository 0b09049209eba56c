"""The first octets of payload in both directions of TCP connections, which tell the protocol that each end speaks.

Input: blocks of rows with their bytes. Output: `starts`, one `StreamStart` per direction. Method: a SYN-ACK says with
which sequence number each direction begins; the first segment with octets that has it is looked for in the frames that
follow. So all is over after a connection's first segments, and captures of old connections cost nothing.
Where a server greets as one of FTP does, messages of its port are read as well (`ftp`); where an end begins as those do
that name addresses of other servers, these (`advertised`); where one begins TLS, alerts (`tls`).
Limits: the first MAX_CONNECTIONS; what comes later than MAX_FRAMES after the SYN-ACK; a segment that is cut.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from capnet.analysis.aggregate.payload.directions import DIRECTION, OPPOSITE
from capnet.analysis.aggregate.payload.dns import payload_span
from capnet.analysis.core.arrays import is_among, row_hash
from capnet.analysis.core.payload import AdvertisedAddress, FtpOpening, StreamStart, TlsAlert
from capnet.analysis.core.schema import Mask, Values
from capnet.wire import fields
from capnet.wire.block import Block, Rows
from capnet.wire.numbers import TCP_SYN_ACK

if TYPE_CHECKING:
    from capnet.analysis.aggregate.payload.streams.advertised import AdvertisedAddresses
    from capnet.analysis.aggregate.payload.streams.ftp import FtpMessages
    from capnet.analysis.aggregate.payload.streams.tls import TlsAlerts

MAX_CONNECTIONS = 2000
MAX_FRAMES = 65_536  # after the SYN-ACK: a server that waits for longer is rare, and looking costs time
MAX_PADDING = 6  # octets of zero by which programs that rewrite captures, and some cards, lengthen an ACK to 46 octets
MAX_OCTETS = 24  # the longest beginning by which a protocol is recognised
MAX_ANSWER = 1024  # of an answer of HTTP or MongoDB: what it says of TLS, or the members, stands behind its headers
ANSWER, REDIRECT = b"HTTP/1.", b"3"  # the first digit of its status
MONGODB_OPCODES = (b"\x01\0\0\0", b"\xdd\x07\0\0")  # of answers
FIRST_OF_REDIS, API_KEYS_OF_KAFKA = b"*", (b"\0\x03", b"\0\x11", b"\0\x12")  # of requests
TLS_HANDSHAKE = b"\x16\x03"  # a record with a ClientHello or ServerHello
FTP_GREETING, MAIL_PORTS = b"220", (25, 465, 587, 2525)  # what servers of mail say as well (RFC 5321)
MAX_FTP_PORTS = 8  # at which servers greet so
_LOW_BITS = 0xFFFF  # of sequence numbers: a table of them is looked up for each row


class FirstOctets:
    """Fill with `add`, then read `starts`."""

    def __init__(self) -> None:
        self.starts: list[StreamStart] = []  # in the order of the pass
        self._seen: set[int] = set()  # hashes of directions that are or were looked for in this capture
        self._count = 0  # of all captures
        self._awaited: dict[int, tuple[int, int]] = {}  # hash → sequence number, last frame to look at
        self._base = -1  # of the capture that they are of
        self._is_changed = False
        self._ftp_ports: set[int] = set()
        self._ftp: FtpMessages | None = None  # made when a server of FTP greets
        self._advertised: AdvertisedAddresses | None = None  # made when an end begins as one that names addresses
        self._tls: TlsAlerts | None = None  # made when an end begins TLS
        self._is_awaited = np.zeros(_LOW_BITS + 1, dtype=bool)  # by the low bits of the sequence number
        self._hashes = np.zeros(0, dtype=np.int64)

    def add(self, block: Block, base: int, syn_rows: Values) -> None:
        """Look into a block of a capture whose first point is number `base`; `syn_rows`: its rows with SYN."""
        if base != self._base:
            self._base, self._is_changed = base, bool(self._awaited)
            self._awaited.clear()
            self._seen.clear()
        if len(syn_rows) and self._count < 2 * MAX_CONNECTIONS:
            self._await(block.rows, syn_rows)
        if self._is_changed:
            self._index()
        if self._awaited and len(block):
            self._find(block)
            self._forget(int(block.rows[-1, fields.FRAME]))
        if self._ftp is not None:
            self._ftp.add(block, base, self._ftp_ports)
        if self._advertised is not None:
            self._advertised.add(block, base)
        if self._tls is not None:
            self._tls.add(block, base)

    @property
    def ftp_openings(self) -> list[FtpOpening]:
        """What control connections of FTP name, in the order of the pass."""
        return self._ftp.openings if self._ftp is not None else []

    @property
    def tls_alerts(self) -> list[TlsAlert]:
        """Alerts of TLS that nothing encrypts, in the order of the pass."""
        return self._tls.alerts if self._tls is not None else []

    @property
    def advertised(self) -> list[AdvertisedAddress]:
        """What servers name to their clients, in the order of the pass."""
        return self._advertised.addresses if self._advertised is not None else []

    def _await(self, rows: Rows, syn_rows: Values) -> None:
        """Both directions of the connections that are accepted."""
        accepted = rows[syn_rows[rows[syn_rows, fields.TCP_FLAGS] & TCP_SYN_ACK == TCP_SYN_ACK]]
        for columns, numbers in (
            (OPPOSITE, accepted[:, fields.ACK]),
            (DIRECTION, accepted[:, fields.SEQ] + 1 & 0xFFFFFFFF),
        ):
            keys = row_hash(np.column_stack((accepted[:, columns], numbers))).view(np.int64)
            last = accepted[:, fields.FRAME] + MAX_FRAMES
            for key, number, frame in zip(keys.tolist(), numbers.tolist(), last.tolist(), strict=True):
                if key not in self._seen:
                    self._seen.add(key)
                    self._count += 1
                    self._awaited[key] = number, frame
                    self._is_changed = True

    def _index(self) -> None:
        numbers = np.array([number for number, _ in self._awaited.values()], dtype=np.int64)
        self._hashes = np.array(list(self._awaited), dtype=np.int64)
        self._is_awaited[:] = False
        self._is_awaited[numbers & _LOW_BITS] = True
        self._is_changed = False

    def _find(self, block: Block) -> None:
        rows = block.rows
        chosen = np.flatnonzero(self._is_awaited[rows[:, fields.SEQ] & _LOW_BITS])
        chosen = chosen[self._has_octets(rows, chosen)]
        keys = row_hash(rows[chosen[:, None], [*DIRECTION, fields.SEQ]]).view(np.int64)
        is_start = is_among(keys, self._hashes)
        chosen, keys = chosen[is_start], keys[is_start]
        at, end = payload_span(block, chosen)
        columns = (chosen.tolist(), keys.tolist(), at.tolist(), end.tolist())
        for row, key, begin, stop in zip(*columns, strict=True):
            if 0 < stop - begin <= MAX_PADDING and not any(block.raw[begin:stop]):
                continue
            if self._awaited.pop(key, None) is not None:
                self._is_changed = True
                values = rows[row, [*DIRECTION, fields.FRAME]].tolist()
                values[0] += self._base
                start = StreamStart._make((*values, _octets(block, begin, stop)))
                self.starts.append(start)
                if start.octets.startswith(FTP_GREETING) and start.sport not in MAIL_PORTS:
                    self._add_ftp(start.sport)
                elif start.octets.startswith(TLS_HANDSHAKE):
                    self._add_tls()
                elif _may_name_addresses(start.octets):
                    self._add_advertised(start, int(rows[row, fields.TIME]))

    def _add_ftp(self, port: int) -> None:
        from capnet.analysis.aggregate.payload.streams.ftp import FtpMessages  # few captures have FTP

        if len(self._ftp_ports) < MAX_FTP_PORTS:
            self._ftp_ports.add(port)
            self._ftp = self._ftp or FtpMessages()

    def _add_advertised(self, start: StreamStart, time: int) -> None:
        from capnet.analysis.aggregate.payload.streams.advertised import AdvertisedAddresses  # most captures name none

        self._advertised = self._advertised or AdvertisedAddresses()
        self._advertised.begin(start, time, self._base)

    def _add_tls(self) -> None:
        from capnet.analysis.aggregate.payload.streams.tls import TlsAlerts  # many captures have no TLS

        self._tls = self._tls or TlsAlerts()

    @staticmethod
    def _has_octets(rows: Rows, chosen: Values) -> Mask:
        is_tcp = rows[chosen, fields.LAYERS] & fields.LAYER_TCP != 0
        mask: Mask = is_tcp & (rows[chosen, fields.PAYLOAD] > 0) & (rows[chosen, fields.PAYLOAD_AT] >= 0)
        return mask

    def _forget(self, frame: int) -> None:
        late = [key for key, (_, last) in self._awaited.items() if last < frame]
        for key in late:
            del self._awaited[key]
        self._is_changed |= bool(late)


def _octets(block: Block, begin: int, stop: int) -> bytes:
    """The octets of a payload that are kept."""
    start = bytes(block.raw[begin : min(stop, begin + MAX_OCTETS)])
    is_answer = start.startswith(ANSWER) or start[12:16] in MONGODB_OPCODES
    return bytes(block.raw[begin : min(stop, begin + MAX_ANSWER)]) if is_answer else start


def _may_name_addresses(octets: bytes) -> bool:
    """Does an end begin as a redirect of HTTP, a server of MongoDB, or a client of Redis or Kafka does?"""
    is_redirect = octets.startswith(ANSWER) and octets[9:10] == REDIRECT
    is_request = octets.startswith(FIRST_OF_REDIS) or octets[4:6] in API_KEYS_OF_KAFKA
    return is_redirect or is_request or octets[12:16] in MONGODB_OPCODES
