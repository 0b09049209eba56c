"""Makes pcapng blocks (draft-ietf-opsawg-pcapng) as bytes: little endian, timestamps in nanoseconds.

A file is one section header, one interface block per point, then packets, names and statistics:

    data = section(userappl="capnet") + interface("A/ens33") + packet(0, time_ns, frame) + ...

Every block is

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +---------------------------------------------------------------+
    |                          block type                           |
    +---------------------------------------------------------------+
    |           block total length (all of it, multiple of 4)       |
    +---------------------------------------------------------------+
    |         body, then options: code 16, length 16, value, pad    |
    +---------------------------------------------------------------+
    |                    block total length again                   |
    +---------------------------------------------------------------+
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from ipaddress import ip_address

from capnet.wire.formats import pcapng
from capnet.wire.numbers import LINKTYPE_ETHERNET

INBOUND, OUTBOUND = 1, 2  # epb_flags, bits 0-1

_NANOSECONDS = 9  # if_tsresol: 10^-9 s
_HARDWARE, _OS, _USERAPPL = 2, 3, 4  # options of a section header
_PCAP_FILTER = b"\0"  # if_filter: text as of pcap-filter(7)


def section(*, hardware: str = "", os: str = "", userappl: str = "", comment: str = "") -> bytes:
    """Section Header Block (section 4.1). The section's length is left unspecified (-1)."""
    body = struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)
    return _block(
        pcapng.SECTION_HEADER, body,
        _text(pcapng.OPT_COMMENT, comment), _text(_HARDWARE, hardware), _text(_OS, os), _text(_USERAPPL, userappl),
    )  # fmt: skip


def interface(
    name: str,
    *,
    description: str = "",
    mac: str | None = None,
    capture_filter: str = "",
    os: str = "",
    linktype: int = LINKTYPE_ETHERNET,
    snaplen: int = 262144,
    resolution: int = _NANOSECONDS,
) -> bytes:
    """Interface Description Block (section 4.2). The first one written is interface 0.

    `mac` as `02:42:ac:11:00:02`. `capture_filter` in the syntax of pcap-filter(7). Timestamps count
    units of 10**-`resolution` s; `packet` writes nanoseconds.
    """
    return _block(
        pcapng.INTERFACE_DESCRIPTION,
        struct.pack("<HHI", linktype, 0, snaplen),
        _text(pcapng.IF_NAME, name),
        _text(pcapng.IF_DESCRIPTION, description),
        _option(pcapng.IF_MACADDR, _mac(mac)) if mac else b"",
        _option(pcapng.IF_TSRESOL, bytes([resolution])),
        _option(pcapng.IF_FILTER, _PCAP_FILTER + capture_filter.encode()) if capture_filter else b"",
        _text(pcapng.IF_OS, os),
    )


def packet(
    interface_id: int,
    time_ns: int,
    data: bytes | memoryview,
    *,
    wire_length: int | None = None,
    direction: int | None = None,
    packet_id: int | None = None,
    comment: str = "",
) -> bytes:
    """Enhanced Packet Block (section 4.3).

    `wire_length` in bytes, if the frame was longer than `data`. `direction` is INBOUND or OUTBOUND.
    `packet_id` is the same 64-bit number at every point that the packet passed.
    """
    head = struct.pack(
        "<IIIII",
        interface_id,
        time_ns >> 32,
        time_ns & 0xFFFFFFFF,
        len(data),
        len(data) if wire_length is None else wire_length,
    )
    return _block(
        pcapng.ENHANCED_PACKET,
        head + _padded(bytes(data)),
        _text(pcapng.OPT_COMMENT, comment),
        _option(pcapng.EPB_FLAGS, struct.pack("<I", direction)) if direction is not None else b"",
        _option(pcapng.EPB_PACKETID, struct.pack("<Q", packet_id)) if packet_id is not None else b"",
    )


def names(addresses: Iterable[tuple[str, str]], macs: Iterable[tuple[str, str]] = ()) -> bytes:
    """Name Resolution Block (section 4.5): (address, name) pairs, IPv4 or IPv6, and (MAC, name) pairs."""
    records = []
    for address, name in addresses:
        packed = ip_address(address).packed
        records.append(_record(pcapng.NRB_IPV4 if len(packed) == 4 else pcapng.NRB_IPV6, packed, name))
    for mac, name in macs:
        records.append(_record(pcapng.NRB_EUI48, _mac(mac), name))
    return _block(pcapng.NAME_RESOLUTION, b"".join(records) + struct.pack("<HH", pcapng.NRB_END, 0))


def statistics(
    interface_id: int,
    time_ns: int,
    *,
    start_ns: int | None = None,
    end_ns: int | None = None,
    received: int | None = None,
    interface_dropped: int | None = None,
    kernel_dropped: int | None = None,
    delivered: int | None = None,
) -> bytes:
    """Interface Statistics Block (section 4.6), written at `time_ns`.

    The capture listened from `start_ns` to `end_ns`. `received` counts packets that passed the capture filter.
    `kernel_dropped` counts those of them that found no room in the buffer, `interface_dropped` packets that the
    interface itself lost, `delivered` those that the capture program was handed.
    """
    return _block(
        pcapng.INTERFACE_STATISTICS,
        struct.pack("<I", interface_id) + _timestamp(time_ns),
        _option(pcapng.ISB_STARTTIME, _timestamp(start_ns)) if start_ns is not None else b"",
        _option(pcapng.ISB_ENDTIME, _timestamp(end_ns)) if end_ns is not None else b"",
        _counter(pcapng.ISB_IFRECV, received),
        _counter(pcapng.ISB_IFDROP, interface_dropped),
        _counter(pcapng.ISB_OSDROP, kernel_dropped),
        _counter(pcapng.ISB_USRDELIV, delivered),
    )


# -- parts --------------------------------------------------------------------------------------
def _block(kind: int, body: bytes, *options: bytes) -> bytes:
    option_list = b"".join(options)
    if option_list:
        option_list += struct.pack("<HH", pcapng.OPT_END, 0)
    length = 12 + len(body) + len(option_list)
    return struct.pack("<II", kind, length) + body + option_list + struct.pack("<I", length)


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + _padded(value)


def _text(code: int, value: str) -> bytes:
    return _option(code, value.encode()) if value else b""


def _counter(code: int, value: int | None) -> bytes:
    return _option(code, struct.pack("<Q", value)) if value is not None else b""


def _timestamp(time_ns: int) -> bytes:
    return struct.pack("<II", time_ns >> 32, time_ns & 0xFFFFFFFF)


def _record(kind: int, address: bytes, name: str) -> bytes:
    value = address + name.encode() + b"\0"
    return struct.pack("<HH", kind, len(value)) + _padded(value)


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def _padded(value: bytes) -> bytes:
    return value + bytes(-len(value) % 4)
