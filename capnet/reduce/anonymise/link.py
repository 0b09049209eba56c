"""Replaces MAC addresses in the link layer and in ARP; where the next layer begins is what the decoder's row says."""

from __future__ import annotations

from typing import Literal

from capnet.analysis.core.contract.document import Document
from capnet.reduce.anonymise.addresses import Addresses
from capnet.reduce.anonymise.names import NameMap
from capnet.wire import fields

_TAGS = (0x8100, 0x88A8, 0x9100)
_SLL, _SLL2, _NULL, _PPPOE, _LABEL = 16, 20, 4, 8, 4
_ARP = 28
NFLOG_HEADER = 4
_NFLOG_HWADDR, _NFLOG_PAYLOAD, _NFLOG_PREFIX = 8, 9, 10  # NFULA_ attributes of linux/netfilter/nfnetlink_log.h
_NFLOG_NUMBERS = (1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 14, 15)  # hook, mark, time, interfaces, user, numbers, hardware type


def link(old: bytes, new: bytearray, row: Document, addresses: Addresses) -> int:
    """Rewrites the link layer of a row; returns where it ends."""
    layers, at = row["layers"], row["start"]
    begin = at
    if layers & fields.LAYER_ETHERNET:
        at += 12
        while int.from_bytes(old[at : at + 2]) in _TAGS and layers & fields.LAYER_VLAN:
            at += 4
        at += 2
    elif layers & (fields.LAYER_SLL | fields.LAYER_SLL2):
        at += _SLL2 if layers & fields.LAYER_SLL2 else _SLL
        at += 4 * len([True for key in ("vlan", "vlan2") if row[key] >= 0])
    elif layers & fields.LAYER_NULL:
        at += _NULL
    elif layers & fields.LAYER_VLAN:
        while at + 4 <= len(old):
            at += 4
            if int.from_bytes(old[at - 2 : at]) not in _TAGS:
                break
    if layers & fields.LAYER_PPPOE:
        at += _PPPOE
    if layers & fields.LAYER_MPLS:
        while at + _LABEL <= len(old):
            at += _LABEL
            if old[at - 2] & 1:  # bottom of the stack
                break
    at = min(at, len(old))
    new[begin:at] = old[begin:at]
    _addresses(old, new, row, begin, addresses)
    return at


def _addresses(old: bytes, new: bytearray, row: Document, at: int, addresses: Addresses) -> None:
    layers = row["layers"]
    places: tuple[int, ...] = ()
    if layers & fields.LAYER_ETHERNET:
        places = (at, at + 6)
    elif layers & fields.LAYER_SLL and old[at + 4 : at + 6] == b"\0\6":
        places = (at + 6,)
    elif layers & fields.LAYER_SLL2 and old[at + 11 : at + 12] == b"\6":
        places = (at + 12,)
    for place in places:
        if place + 6 <= len(old):
            new[place : place + 6] = addresses.mac(old[place : place + 6])


def arp(old: bytes, new: bytearray, at: int, end: int, addresses: Addresses) -> None:
    """An ARP message for IPv4 over Ethernet (RFC 826)."""
    if at + _ARP > end or old[at + 4 : at + 6] != b"\6\4":
        return
    new[at : at + 8] = old[at : at + 8]
    for mac, ip in ((at + 8, at + 14), (at + 18, at + 24)):
        new[mac : mac + 6] = addresses.mac(old[mac : mac + 6])
        new[ip : ip + 4] = addresses.ip(old[ip : ip + 4])


def nflog(old: bytes, new: bytearray, end: int, addresses: Addresses, names: NameMap) -> int:
    """The attributes of a frame of NFLOG; the prefix of the rule gets a new name. Returns where the packet begins."""
    # No first attribute has 256 octets or more: its length tells the byte order.
    order: Literal["little", "big"] = "big" if old[4:5] == b"\0" else "little"
    at = NFLOG_HEADER
    new[:at] = old[:at]
    while at + 4 <= end:
        length, kind = int.from_bytes(old[at : at + 2], order), int.from_bytes(old[at + 2 : at + 4], order)
        following = min(at + max(length, 4), end)
        # The file that is written is little endian, and so are lengths in it, as Wireshark reads them.
        new[at : at + 4] = length.to_bytes(2, "little") + kind.to_bytes(2, "little")
        value = old[at + 4 : following]
        if length < 4:
            return end
        if kind == _NFLOG_PAYLOAD:
            return at + 4
        if kind == _NFLOG_PREFIX:
            value = names.octets(value)
        elif kind == _NFLOG_HWADDR and len(value) >= 10:
            value = value[:4] + addresses.mac(value[4:10]) + value[10:]
        if kind in _NFLOG_NUMBERS or kind in (_NFLOG_PREFIX, _NFLOG_HWADDR):
            new[at + 4 : following] = value
        at += length + 3 & ~3
    return end
