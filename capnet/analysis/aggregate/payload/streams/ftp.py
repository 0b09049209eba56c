"""Where FTP opens its data connections: what 227 and 229 replies, PORT and EPRT commands name (RFC 959, RFC 2428).

Input: blocks of rows with their bytes, and the ports at which servers greet with 220. Output: `openings`, in the order
of the pass. Limits: the first MAX_MESSAGES; one message of a segment; nothing of a control connection in TLS.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from ipaddress import ip_address

import numpy as np

from capnet.analysis.aggregate.payload.dns import payload_span
from capnet.analysis.core.arrays import is_one_of
from capnet.analysis.core.payload import FtpOpening
from capnet.wire import fields
from capnet.wire.addresses import address_text
from capnet.wire.block import Block

MAX_MESSAGES = 1000
MAX_LENGTH = 256  # octets of a segment that are looked at

_PASV = re.compile(rb"^227 [^\r\n]*?(\d{1,3}),(\d{1,3}),(\d{1,3}),(\d{1,3}),(\d{1,3}),(\d{1,3})", re.MULTILINE)
_EPSV = re.compile(rb"^229 [^\r\n]*\(\|\|\|(\d{1,5})\|\)", re.MULTILINE)
_PORT = re.compile(rb"^PORT (\d{1,3}),(\d{1,3}),(\d{1,3}),(\d{1,3}),(\d{1,3}),(\d{1,3})", re.MULTILINE | re.IGNORECASE)
_EPRT = re.compile(rb"^EPRT \|[12]\|([0-9a-f.:]{2,39})\|(\d{1,5})\|", re.MULTILINE | re.IGNORECASE)


class FtpMessages:
    """Fill with `add`, then read `openings`."""

    def __init__(self) -> None:
        self.openings: list[FtpOpening] = []

    def add(self, block: Block, base: int, ports: Collection[int]) -> None:
        """Look into a block of a capture whose first point is number `base`; `ports`: of control connections."""
        if len(self.openings) >= MAX_MESSAGES:
            return
        rows = block.rows
        is_control = is_one_of(rows[:, fields.SPORT], ports) | is_one_of(rows[:, fields.DPORT], ports)
        chosen = np.flatnonzero(is_control & (rows[:, fields.LAYERS] & fields.LAYER_TCP != 0))
        chosen = chosen[(rows[chosen, fields.PAYLOAD] > 0) & (rows[chosen, fields.PAYLOAD_AT] >= 0)]
        at, end = payload_span(block, chosen)
        for row, begin, stop in zip(rows[chosen].tolist(), at.tolist(), end.tolist(), strict=True):
            is_passive = row[fields.SPORT] in ports
            named = _named(bytes(block.raw[begin : min(stop, begin + MAX_LENGTH)]), is_passive)
            if named and len(self.openings) < MAX_MESSAGES:
                client, server = (_SOURCE, _DESTINATION) if not is_passive else (_DESTINATION, _SOURCE)
                self.openings.append(
                    FtpOpening(
                        row[fields.POINT] + base, address_text(*(row[column] for column in client)),
                        address_text(*(row[column] for column in server)),
                        row[fields.SPORT if is_passive else fields.DPORT], row[fields.FRAME], row[fields.TIME],
                        is_passive, *named,
                    )
                )  # fmt: skip


_SOURCE = (fields.SRC_HI, fields.SRC_LO)
_DESTINATION = (fields.DST_HI, fields.DST_LO)


def _named(message: bytes, is_reply: bool) -> tuple[str, int] | None:
    """The address and port that a message names; of EPSV, whose server names a port alone, "" and the port."""
    if match := (_PASV if is_reply else _PORT).search(message):
        numbers = [int(group) for group in match.groups()]
        if max(numbers) > 255:
            return None
        return ".".join(map(str, numbers[:4])), numbers[4] << 8 | numbers[5]
    if is_reply and (match := _EPSV.search(message)):
        return "", int(match[1])
    if not is_reply and (match := _EPRT.search(message)):
        try:
            return str(ip_address(match[1].decode())), int(match[2])
        except ValueError:
            return None
    return None
