"""What a pass reads from the bytes of packets, beside their rows: filled by `aggregate.payload`."""

from __future__ import annotations

from dataclasses import field

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.schema import DnsTable
from capnet.quick_dataclass import state
from capnet.quick_tuple import NamedTuple


@state
class DnsMessages:
    """DNS messages, and the names that column DNS_NAME of their table counts."""

    table: DnsTable = field(default_factory=lambda: np.zeros((0, schema.DNS_WIDTH), dtype=np.int64))
    names: list[str] = field(default_factory=list)  # in small letters, without the final dot


class Mirror(NamedTuple):
    """A session of ERSPAN at one point."""

    point: int
    switch: str
    analyzer: str
    session: int  # -1: type I has none
    frames: int
    first_frame: int


class Membership(NamedTuple):
    """A station that wants packets to a multicast group, as a point shows it."""

    point: int
    via: int  # kind of tunnel that its report came through, 0 = none
    via_vni: int
    host: str
    group: str
    first_frame: int


class SctpChunks(NamedTuple):
    """Packets of one SCTP flow at one point that begin with the same kind of chunk, of those that open or abort."""

    point: int
    via: int  # kind of tunnel that they came through, 0 = none
    via_vni: int
    src_hi: int
    src_lo: int
    dst_hi: int
    dst_lo: int
    sport: int
    dport: int
    kind: int  # RFC 9260 section 3.2: 1 INIT, 2 INIT ACK, 6 ABORT
    packets: int
    first_frame: int
    first: int  # ns
    last: int


class IkeMessages(NamedTuple):
    """Equal messages of IKE of one flow at one point (`wire.protocols.ike`)."""

    point: int
    via: int  # kind of tunnel that they came through, 0 = none
    via_vni: int
    src_hi: int
    src_lo: int
    dst_hi: int
    dst_lo: int
    sport: int
    dport: int
    version: int
    spi: int  # the initiator's
    is_begun: bool  # the responder has chosen an SPI
    exchange: int
    number: int
    error: int  # that they notify of in clear, 0 if none
    packets: int
    first_frame: int
    first: int  # ns
    last: int


class BgpMessages(NamedTuple):
    """Equal messages of BGP of one flow at one point (`wire.protocols.bgp`)."""

    point: int
    via: int  # kind of tunnel that they came through, 0 = none
    via_vni: int
    src_hi: int
    src_lo: int
    dst_hi: int
    dst_lo: int
    sport: int
    dport: int
    kind: int  # 1 OPEN, 2 UPDATE, 3 NOTIFICATION, 4 KEEPALIVE
    value: int  # of OPEN the AS number, of NOTIFICATION the code
    detail: int  # of OPEN the hold time [s], of NOTIFICATION the subcode
    packets: int
    first_frame: int
    first: int  # ns
    last: int


class VrrpMaster(NamedTuple):
    """Equal advertisements of one master of VRRP at one point (`wire.protocols.vrrp`)."""

    point: int
    via: int  # kind of tunnel that they came through, 0 = none
    via_vni: int
    source: str
    destination: str  # a multicast group, or a `unicast_peer`
    version: int
    router: int  # its id
    priority: int  # 0: it gives up
    interval_ms: int
    password: bytes  # with the type of authentication before it; b"": none
    addresses: tuple[str, ...]
    times: list[int]  # ns
    frames: list[int]


class StreamStart(NamedTuple):
    """The first segment with octets of one direction of a TCP connection at one point."""

    point: int
    via: int  # kind of tunnel that it came through, 0 = none
    via_vni: int
    src_hi: int
    src_lo: int
    dst_hi: int
    dst_lo: int
    sport: int
    dport: int
    frame: int
    octets: bytes  # the first of its payload; none where they were not captured


class TlsAlert(NamedTuple):
    """An alert of TLS that nothing encrypts, in one direction of a TCP connection at one point."""

    point: int
    via: int  # kind of tunnel that it came through, 0 = none
    via_vni: int
    src_hi: int
    src_lo: int
    dst_hi: int
    dst_lo: int
    sport: int
    dport: int
    frame: int
    time: int  # ns
    is_fatal: bool
    description: int  # its number (RFC 8446 section 6)


class FtpOpening(NamedTuple):
    """Where a data connection of FTP is to go, as a message of its control connection says at one point."""

    point: int
    client: str  # of the control connection
    server: str
    control_port: int
    frame: int
    time: int  # ns
    is_passive: bool  # the client connects: 227 or 229; else the server does: PORT or EPRT
    address: str  # that the message names; "" for that of the server (229)
    port: int


class AdvertisedAddress(NamedTuple):
    """An address that a server names to a client in an answer at one point; source and destination are the answer's."""

    point: int
    via: int  # kind of tunnel that it came through, 0 = none
    via_vni: int
    src_hi: int
    src_lo: int
    dst_hi: int
    dst_lo: int
    sport: int
    dport: int
    frame: int
    time: int  # ns
    protocol: str  # "http", "kafka", "mongodb", "redis-cluster", "redis-sentinel"
    host: str  # name or address, in small letters
    port: int


class LogRule(NamedTuple):
    """A rule of the firewall that logged packets at one point (NFLOG)."""

    point: int
    prefix: str
    hook: int  # NF_INET_ of the kernel, -1 if not told
    indev: int  # index of the interface, -1 if there is none
    outdev: int
    packets: int
    first_frame: int


@state
class Checksums:
    """TCP and UDP packets in a sample of the frames of one point."""

    seen: int = 0
    unfilled: int = 0  # of them, with the sum of the pseudo-header only
    frames: list[int] = field(default_factory=list)  # the first of these
