"""Addresses that servers name to their clients: Kafka's brokers, nodes of Redis, members of MongoDB, HTTP's Location.

Input: the first octets of connections, and blocks of rows with their bytes. Output: `addresses`, in the order of the
pass, each of a server to a client once, but for redirects and loopback addresses. Method: the first answer of HTTP and
MongoDB says it. Ports at which clients begin as those of Kafka and Redis do are watched: a few octets choose the
requests for metadata. Kafka's answer has the same correlation id; that of Redis begins at the acknowledgment of the
request. MOVED and ASK of Redis are chosen by their first octets.
Limits: MAX_PORTS, MAX_FRAMES, MAX_ADDRESSES; one answer of a segment, up to MAX_LENGTH octets of it; nothing in TLS.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.aggregate.payload.directions import DIRECTION, OPPOSITE
from capnet.analysis.aggregate.payload.dns import payload_span
from capnet.analysis.aggregate.payload.streams import http, kafka, mongodb, redis
from capnet.analysis.core.arrays import is_among, is_one_of, row_hash
from capnet.analysis.core.payload import AdvertisedAddress, StreamStart
from capnet.analysis.core.schema import Mask, Values
from capnet.jit.arrays import ByteArray
from capnet.quick_tuple import NamedTuple
from capnet.wire import fields
from capnet.wire.block import Block, Rows

MAX_PORTS = 16  # of Kafka and Redis
MAX_ADDRESSES = 1000
MAX_FRAMES = 65_536  # after the last client of Kafka or Redis began: they ask at once, and looking costs time
MAX_AWAITED = 1000  # answers; of more, the oldest is given up
MAX_LENGTH = 4096  # octets of an answer
MAX_PORT = 65535


class _Request(NamedTuple):
    """A request whose answer names addresses."""

    kind: str
    octets: bytes


class AdvertisedAddresses:
    """Fill with `begin` and `add`, then read `addresses`."""

    def __init__(self) -> None:
        self.addresses: list[AdvertisedAddress] = []
        self._seen: set[tuple[object, ...]] = set()
        self._ports: dict[int, str] = {}  # of servers → protocol
        self._awaited: dict[int, _Request] = {}  # by the hash of the answer (`_keys`)
        self._base = -1
        self._last_frame = -1  # to look at in this capture

    def begin(self, start: StreamStart, time: int, base: int) -> None:
        """Take in how a direction of a connection begins, in a capture whose first point is number `base`."""
        self._enter(base)
        octets, direction = start.octets, start[:_WIDTH]
        if http.is_redirect(octets):
            self._name("http", direction, start.frame, time, http.location(octets))
        elif mongodb.is_reply(octets):
            self._name("mongodb", direction, start.frame, time, mongodb.members(octets))
        elif start.dport in self._ports or len(self._ports) < MAX_PORTS:
            protocol = "kafka" if kafka.is_first_request(octets) else redis.CLUSTER
            if protocol == "kafka" or redis.is_first_request(octets):
                self._ports.setdefault(start.dport, protocol)
                self._last_frame = start.frame + MAX_FRAMES

    def add(self, block: Block, base: int) -> None:
        """Look into a block of a capture whose first point is number `base`."""
        self._enter(base)
        if (
            not len(block)
            or int(block.rows[0, fields.FRAME]) > self._last_frame
            or len(self.addresses) >= MAX_ADDRESSES
        ):
            return
        self._read_requests(block)
        self._read_answers(block)

    def _enter(self, base: int) -> None:
        if base != self._base:
            self._base, self._last_frame = base, -1
            self._awaited.clear()

    def _read_requests(self, block: Block) -> None:
        chosen, at, end = _with_octets(block, self._ports, fields.DPORT, kafka.HEADER)
        raw = np.frombuffer(block.raw, dtype=np.uint8)
        fourth, fifth = raw[at + 4], raw[at + 5]
        is_request = (fourth == 0) & (fifth == kafka.METADATA)  # api_key
        is_resp = np.flatnonzero((fourth == ord("$")) & is_one_of(fifth, b"78"))  # letters of CLUSTER and SENTINEL
        begins = is_one_of(raw[at[is_resp] + 8], b"CcSs") & is_one_of(raw[at[is_resp] + 9], b"LlEe")
        is_request[is_resp[begins]] = True
        chosen, at, end = chosen[is_request], at[is_request], end[is_request]
        ports = block.rows[chosen, fields.DPORT]
        ids = _correlation_ids(raw, at + kafka.ID_OF_REQUEST)
        keys = self._keys(block.rows[chosen[:, None], OPPOSITE], ports, ids, block.rows[chosen, fields.ACK])
        columns = (keys.tolist(), ports.tolist(), at.tolist(), end.tolist())
        for key, port, begin, stop in zip(*columns, strict=True):
            octets = bytes(block.raw[begin : min(stop, begin + MAX_LENGTH)])
            kind = self._ports[port] if self._ports[port] == "kafka" else redis.topology_kind(octets)
            if kind and (kind != "kafka" or kafka.is_metadata_request(octets)):
                if len(self._awaited) >= MAX_AWAITED:
                    del self._awaited[next(iter(self._awaited))]
                self._awaited[key] = _Request(kind, octets[: kafka.HEADER])

    def _read_answers(self, block: Block) -> None:
        chosen, at, end = _with_octets(block, self._ports, fields.SPORT, kafka.HEADER)
        raw = np.frombuffer(block.raw, dtype=np.uint8)
        is_moved = (raw[at] == ord("-")) & is_one_of(raw[at + 1], b"MA")
        is_awaited, keys = np.zeros(len(chosen), dtype=bool), np.zeros(len(chosen), dtype=np.int64)
        if self._awaited:
            ports, ids = block.rows[chosen, fields.SPORT], _correlation_ids(raw, at + kafka.ID_OF_RESPONSE)
            keys = self._keys(block.rows[chosen[:, None], DIRECTION], ports, ids, block.rows[chosen, fields.SEQ])
            is_awaited = is_among(keys, np.array(list(self._awaited), dtype=np.int64))
        for index in np.flatnonzero(is_moved | is_awaited).tolist():
            octets = bytes(block.raw[at[index] : min(end[index], at[index] + MAX_LENGTH)])
            request = self._awaited.pop(int(keys[index]), None) if is_awaited[index] else None
            protocol = request.kind if request else redis.CLUSTER
            if request and request.kind == "kafka":
                named = kafka.brokers(request.octets, octets)
            else:
                named = redis.moved_to(octets) or (redis.nodes(protocol, octets) if request else [])
            if named:
                direction, frame, time = _direction(block.rows, int(chosen[index]), self._base)
                self._name(protocol, direction, frame, time, named)

    def _keys(self, directions: Rows, ports: Values, ids: Values, sequence_numbers: Values) -> Values:
        """Hashes of answers: of their direction, and of the correlation id or the sequence number."""
        of_kafka = [port for port, protocol in self._ports.items() if protocol == "kafka"]
        numbers = np.where(is_one_of(ports, of_kafka), ids, sequence_numbers)
        keys: Values = row_hash(np.column_stack((directions, numbers))).view(np.int64)
        return keys

    def _name(
        self, protocol: str, direction: tuple[object, ...], frame: int, time: int, named: list[tuple[str, int]]
    ) -> None:
        for host, port in named:
            # Not by the client's port, but of a loopback address, of which nothing else is seen.
            key = (protocol, *(direction if host.startswith(_LOOPBACK) else direction[:-1]), host, port)
            is_new = protocol == "http" or key not in self._seen
            if is_new and host and 0 < port <= MAX_PORT and len(self.addresses) < MAX_ADDRESSES:
                self._seen.add(key)
                self.addresses.append(AdvertisedAddress._make((*direction, frame, time, protocol, host.lower(), port)))


_LOOPBACK = ("localhost", "127.", "::1", "0.0.0.0")
_WIDTH = len(DIRECTION)  # columns of a direction, with which a StreamStart begins


def _correlation_ids(raw: ByteArray, at: Values) -> Values:
    ids: Values = raw[at[:, None] + np.arange(4)].astype(np.int64) @ (1 << np.arange(24, -1, -8))
    return ids


def _direction(rows: Rows, row: int, base: int) -> tuple[tuple[int, ...], int, int]:
    """The columns of DIRECTION, frame and time of a row."""
    point, *others = rows[row, DIRECTION].tolist()
    return (point + base, *others), int(rows[row, fields.FRAME]), int(rows[row, fields.TIME])


def _with_octets(block: Block, ports: dict[int, str], side: int, length: int) -> tuple[Values, Values, Values]:
    """Rows with so many octets of payload from or to these ports, where these begin, and where they end."""
    rows = block.rows
    chosen = np.flatnonzero(is_one_of(rows[:, side], ports))
    is_tcp: Mask = rows[chosen, fields.LAYERS] & fields.LAYER_TCP != 0
    chosen = chosen[is_tcp & (rows[chosen, fields.PAYLOAD] >= length) & (rows[chosen, fields.PAYLOAD_AT] >= 0)]
    at, end = payload_span(block, chosen)
    is_whole = at + length <= end
    return chosen[is_whole], at[is_whole], end[is_whole]
