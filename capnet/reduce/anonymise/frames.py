"""Replaces what identifies in a captured frame, in all its layers and in the frames inside its tunnels.

Input: the octets of a frame, and the rows that capnet's decoder made of it. Output: as many octets. First all is
replaced, then each layer that a row has is put back with new addresses, so that only what was recognised stays.
Checksums are repaired from the inside out.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from capnet.analysis.core.contract.document import Document
from capnet.reduce.anonymise import icmp, transport
from capnet.reduce.anonymise.addresses import Addresses, Draw, drawn
from capnet.reduce.anonymise.checksums import Repair
from capnet.reduce.anonymise.link import arp, link, nflog
from capnet.reduce.anonymise.names import NameMap
from capnet.reduce.anonymise.octets import replaced
from capnet.reduce.anonymise.payload.control import vrrp_message
from capnet.reduce.anonymise.replacements import Replacements
from capnet.wire import fields, numbers
from capnet.wire.protocols import KIND_OF_NUMBER

_EXTENSIONS = {0: 8, 43: 8, 60: 8, 44: 0, 51: 4, 135: 8}  # IPv6 next header → octets of one unit of its length
_ROUTE_OPTIONS = (7, 131, 137)  # record route, loose and strict source route (RFC 791)
CLOSED_HEADER = 16  # octets of the header of a tunnel that nothing inside was decoded of: WireGuard's, or an SPI
MAX_LINK = 16  # octets of a link layer such as PPP
MAX_TUNNEL = 264  # octets of a tunnel's header: of Geneve 8, and options of 252


class Anonymiser:
    """Rewrites frames. Give it all frames once, call `assign`, and give it all frames again.

    `reads`: payload whose form stays, as fields of `Context` (`findings.payload_read_by`).
    """

    def __init__(self, subnets: Sequence[str] = (), draw: Draw = drawn, reads: frozenset[str] = frozenset()) -> None:
        self.key = os.urandom(32)
        self.addresses = Addresses(subnets, draw)
        self.names = NameMap(draw)
        self._replacements = Replacements(self.addresses, self.names, self.key, reads)

    def assign(self) -> None:
        """Draw new addresses and names for those that were seen."""
        self.addresses.assign()
        self.names.assign()

    def frame(self, old: bytes, rows: Sequence[Document]) -> bytes:
        """The new octets of a frame; `rows`: the outermost first."""
        new = bytearray(replaced(old, self.key))
        spans = [self._row(old, new, row, _inside(row, rows[index + 1 :])) for index, row in enumerate(rows)]
        repair = Repair(old, new)
        for ip, at, end, protocol in filter(None, reversed(spans)):
            if old[ip] >> 4 == 4:
                repair.header(ip)
            repair.transport(ip, at, end, protocol)
        return bytes(new)

    def _row(self, old: bytes, new: bytearray, row: Document, inside: int | None) -> tuple[int, int, int, int] | None:
        """Rewrites a row; where its IP header, transport header and end are, and which protocol. None without IP."""
        captured = min(row["start"] + row["caplen"], len(old))
        ip = link(old, new, row, self.addresses)
        if row["layers"] & fields.LAYER_NFLOG:
            ip = nflog(old, new, captured, self.addresses, self.names)
        if row["layers"] & fields.LAYER_ARP:
            arp(old, new, ip, captured, self.addresses)
        if not row["layers"] & fields.LAYER_IP or (offset := _header_offset(old, ip, row)) is None:
            return None
        new[ip : ip + offset] = old[ip : ip + offset]  # of a link layer that has no entry in `link`
        ip += offset
        end = min(ip + row["ip_length"], captured) if row["ip_length"] > 0 else captured
        at, protocol = self._header(old, new, ip, end)
        if row["frag_offset"] > 0:
            new[at:end] = replaced(old[at:end], self.key)
        elif inside is not None and at <= inside <= min(at + MAX_TUNNEL, end):
            new[at:inside] = old[at:inside]
            _geneve(old, new, at, inside, row, self.key)
        elif row["layers"] & fields.LAYER_TUNNEL and row["tunnel"]:
            kept = min(at + (transport.UDP_HEADER if protocol == numbers.UDP else 0) + CLOSED_HEADER, end)
            new[at:end] = old[at:kept] + replaced(old[kept:end], self.key)
        else:
            self._payload(old, new, at, end, protocol, is_v6=old[ip] >> 4 == 6)
        is_whole = not row["layers"] & fields.LAYER_FRAGMENT
        return ip, at, end, protocol if is_whole or row["frag_offset"] == 0 else -1

    def _header(self, old: bytes, new: bytearray, ip: int, end: int) -> tuple[int, int]:
        """Rewrites an IP header with its options or extensions; where it ends, and the protocol of what follows."""
        if old[ip] >> 4 == 4:
            at = min(ip + 4 * (old[ip] & 15), end)
            new[ip:at] = old[ip:at]
            self._addresses(old, new, (ip + 12, ip + 16), 4, end)
            self._options(old, new, ip + 20, at)
            protocol = old[ip + 9]
            return _behind_ah(old, new, at, end, protocol)
        at, protocol, places = min(ip + 40, end), old[ip + 6], [ip + 8, ip + 24]
        while protocol in _EXTENSIONS and at + 8 <= end:
            unit = _EXTENSIONS[protocol]
            size = 8 if unit == 0 else (old[at + 1] + (2 if protocol == numbers.AH else 1)) * unit
            if protocol == numbers.IPV6_ROUTING:
                places += range(at + 8, min(at + size, end) - 15, 16)
            protocol, at = old[at], min(at + size, end)
        new[ip:at] = old[ip:at]
        self._addresses(old, new, places, 16, end)
        return at, protocol

    def _addresses(self, old: bytes, new: bytearray, places: Sequence[int], size: int, end: int) -> None:
        for at in places:
            if at + size <= end:
                new[at : at + size] = self.addresses.ip(old[at : at + size])

    def _options(self, old: bytes, new: bytearray, at: int, end: int) -> None:
        while at + 1 < end and old[at]:
            size = 1 if old[at] == 1 else max(old[at + 1], 2)
            following = min(at + size, end)
            if old[at] in _ROUTE_OPTIONS:
                self._addresses(old, new, range(at + 3, following - 3, 4), 4, following)
            elif size > 4:
                new[at + 2 : following] = replaced(old[at + 2 : following], self.key)
            at = following

    def _payload(self, old: bytes, new: bytearray, at: int, end: int, protocol: int, is_v6: bool) -> None:
        if protocol == numbers.TCP:
            transport.tcp(old, new, at, end, self._replacements)
        elif protocol == numbers.UDP:
            transport.udp(old, new, at, end, self._replacements)
        elif protocol == numbers.ICMP:
            icmp.icmp(old, new, at, end, self.addresses, self.key)
        elif protocol == numbers.ICMPV6:
            icmp.icmpv6(old, new, at, end, self.addresses, self.key)
        elif protocol == numbers.IGMP:
            icmp.igmp(old, new, at, end, self.addresses, self.key)
        elif protocol == numbers.SCTP:
            transport.sctp(old, new, at, end, self.key)
        elif protocol == numbers.VRRP:
            message = vrrp_message(old[at:end], is_v6, self._replacements)
            new[at:end] = replaced(old[at:end], self.key) if message is None else message
        else:
            kept = min(at + 8, end) if protocol == numbers.ESP else at  # SPI and sequence number
            new[at:kept] = old[at:kept]
            new[kept:end] = replaced(old[kept:end], self.key)


def _inside(row: Document, later: Sequence[Document]) -> int | None:
    """Where the frame inside a row's tunnel begins; None without one."""
    return next((other["start"] for other in later if other["depth"] > row["depth"]), None)


def _header_offset(old: bytes, at: int, row: Document) -> int | None:
    """How far behind `at` the IP header of a row begins; None if it does not within MAX_LINK octets."""
    return next((offset for offset in range(MAX_LINK) if _is_header(old, at + offset, row)), None)


def _is_header(old: bytes, ip: int, row: Document) -> bool:
    """Does the IP header of the row begin here?"""
    is_v6 = bool(row["layers"] & fields.LAYER_IPV6)
    size, places = (40, (8, 24, 40)) if is_v6 else (20, (12, 16, 20))
    if ip + size > len(old) or old[ip] >> 4 != (6 if is_v6 else 4):
        return False
    for name, start, end in (("src", *places[:2]), ("dst", *places[1:])):
        octets = b"".join((row[f"{name}_{half}"] & 0xFFFF_FFFF_FFFF_FFFF).to_bytes(8) for half in ("hi", "lo"))
        if not octets.endswith(old[ip + start : ip + end]):
            return False
    return True


def _behind_ah(old: bytes, new: bytearray, at: int, end: int, protocol: int) -> tuple[int, int]:
    """Where what an Authentication Header (RFC 4302) protects begins, and its protocol; the same without one."""
    if protocol != numbers.AH or at + 12 > end:
        return at, protocol
    following = min(at + (old[at + 1] + 2) * 4, end)
    new[at:following] = old[at:following]
    return following, old[at]


def _geneve(old: bytes, new: bytearray, at: int, inside: int, row: Document, key: bytes) -> None:
    """Replaces the data of Geneve's options (RFC 8926); `at`: its UDP header."""
    option = at + transport.UDP_HEADER + 8
    if KIND_OF_NUMBER[row["tunnel"]].name != "geneve":
        return
    while option + 4 <= inside:
        following = min(option + 4 + 4 * (old[option + 3] & 31), inside)
        new[option + 4 : following] = replaced(old[option + 4 : following], key)
        option = following
