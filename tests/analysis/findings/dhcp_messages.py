"""Messages of DHCP (RFC 2131 section 2) about any client, of clients and of servers."""

from __future__ import annotations

import struct

from tests.stories import Packet, udp

DISCOVER, OFFER, REQUEST, ACK = 1, 2, 3, 5
SERVER, SERVER_MAC, EVERYBODY = "192.168.111.1", "00:50:56:c0:00:08", "ff:ff:ff:ff:ff:ff"


def dhcp_message(kind: int, client: str, *, server: str = SERVER, of: str = "", ident: int = 0) -> Packet:
    """A message of the client with this MAC, or of the server to it; `of`: the address that the client renews."""
    is_answer = kind in (OFFER, ACK)
    mac = bytes.fromhex(client.replace(":", ""))
    message = struct.pack(">BBBBI20x", 2 if is_answer else 1, 1, 6, 0, 0x1234) + mac.ljust(16, b"\0") + bytes(192)
    message += bytes.fromhex("63825363") + bytes((53, 1, kind)) + b"\xff"
    if is_answer:
        return udp(f"{server}:67 > 255.255.255.255:68", message, smac=SERVER_MAC, dmac=EVERYBODY, ident=ident)
    if of:
        return udp(f"{of}:68 > {server}:67", message, smac=client, dmac=SERVER_MAC, ident=ident)
    return udp("0.0.0.0:68 > 255.255.255.255:67", message, smac=client, dmac=EVERYBODY, ident=ident)
