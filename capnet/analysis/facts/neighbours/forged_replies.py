"""ARP replies without a question that give the address of one station to another one: the man in the middle.

Input: ARP table. Output: `Forger`s, one per place and MAC. Method: one MAC tells A that it has B, and B that it has A,
again and again and without a question; a station that has both would tell neither. Or it tells one station so of one
address which another MAC claims in the same time, and it shows that it knows better: it asks for that address itself,
or the frames are not from the MAC that they name; or it gives the right MAC itself when it ends, as arpspoof does.
Limits: replies only; not in the names of virtual routers. Not so: proxy ARP answers a question (RFC 1027); of a
failover, all stations are told; a bond (balance-alb) tells its clients of its own address alone.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import is_multicast_mac, is_virtual_router
from capnet.analysis.core.schema import ArpTable
from capnet.quick_tuple import NamedTuple
from capnet.wire.fields import ABSENT
from capnet.wire.numbers import ARP_REPLY, ARP_REQUEST

MIN_REPLIES = 3  # to one station about one address: a duplicate, or one more after a change, makes two
REPLIES_OF_A_QUESTION = 3  # a question that is answered twice, by copies, is still answered
MAX_ROWS = 4096  # of replies that are looked at one by one
MAX_ONE_WAY = 256  # of them that are compared with all other messages
MAX_GAP_NS = 15_000_000_000  # ettercap repeats after 10 s; an answer lasts 15 s at least (RFC 4861's times, in Linux)

_PLACE = [schema.ARP_POINT, schema.ARP_VIA, schema.ARP_VIA_VNI]

Place = tuple[int, int, int]  # point, tunnel, VNI


class Forgery(NamedTuple):
    """What one station was told about one address, unasked."""

    address: int  # IPv4 as LO half, as `receiver`
    receiver: int
    replies: int
    frame: int  # the first one
    owner: int  # MAC that has the address; ABSENT where each of two stations was told of the other


class Forger(NamedTuple):
    """A MAC that tells stations that it has the addresses of others."""

    place: Place
    mac: int
    forgeries: list[Forgery]

    @property
    def is_between(self) -> bool:
        """Does it stand between two stations? Each was told that it has the address of the other."""
        pairs = {(of.address, of.receiver) for of in self.forgeries}
        return any((receiver, address) in pairs for address, receiver in pairs)


@derived
def forgers(context: Context) -> list[Forger]:
    """All of them, by place and MAC."""
    by_forger: dict[tuple[Place, int], list[list[int]]] = defaultdict(list)
    for row in _unasked(context.arps).tolist():
        by_forger[_place(row), row[schema.ARP_SENDER_MAC]].append(row)
    forging, looked_at = [], 0
    for (place, mac), replies in sorted(by_forger.items()):
        pairs = {_ends(row) for row in replies}
        forgeries = []
        for row in replies:
            address, asker = _ends(row)
            owner = ABSENT
            if (asker, address) not in pairs:
                looked_at += 1
                owner = _owner(context.arps, row) if looked_at <= MAX_ONE_WAY else ABSENT
                if owner == ABSENT:
                    continue
            forgeries.append(Forgery(address, asker, row[schema.ARP_PACKETS], row[schema.ARP_FIRST_FRAME], owner))
        if forgeries:
            forging.append(Forger(place, mac, forgeries))
    return forging


@derived
def forged_claims(context: Context) -> set[tuple[Place, int, int]]:
    """Place, address and MAC that is not its own."""
    return {(of.place, forgery.address, of.mac) for of in forgers(context) for forgery in of.forgeries}


def _unasked(arps: ArpTable) -> ArpTable:
    """Rows of replies to one station that come again and again, and far more often than it asks."""
    packets, sender, target = arps[:, schema.ARP_PACKETS], arps[:, schema.ARP_SENDER_LO], arps[:, schema.ARP_TARGET_LO]
    gaps_ns = (arps[:, schema.ARP_LAST] - arps[:, schema.ARP_FIRST]) / np.maximum(packets - 1, 1)
    is_told = (arps[:, schema.ARP_OPERATION] == ARP_REPLY) & (packets >= MIN_REPLIES) & (gaps_ns <= MAX_GAP_NS)
    is_told &= (sender != target) & (sender & 0xFFFFFFFF > 0) & (arps[:, schema.ARP_SENDER_MAC] > 0)
    rows = arps[is_told][:MAX_ROWS]
    if not len(rows):
        return rows
    is_request = (arps[:, schema.ARP_OPERATION] == ARP_REQUEST) & np.isin(sender, rows[:, schema.ARP_TARGET_LO])
    questions: dict[tuple[Place, int, int], int] = defaultdict(int)
    for row in arps[is_request].tolist():
        asker, target_of = _ends(row)
        questions[_place(row), target_of, asker] += row[schema.ARP_PACKETS]
    return np.array(
        [
            row
            for row in rows.tolist()
            if row[schema.ARP_PACKETS] > REPLIES_OF_A_QUESTION * questions[_place(row), *_ends(row)]
            and not is_virtual_router(row[schema.ARP_SENDER_MAC])
        ],
        dtype=np.int64,
    ).reshape(-1, schema.ARP_WIDTH)


def _place(row: list[int]) -> Place:
    return row[schema.ARP_POINT], row[schema.ARP_VIA], row[schema.ARP_VIA_VNI]


def _ends(row: list[int]) -> tuple[int, int]:
    """Address of the sender, and of the target."""
    return row[schema.ARP_SENDER_LO], row[schema.ARP_TARGET_LO]


def _owner(arps: ArpTable, row: list[int]) -> int:
    """The MAC that has the address of an unasked reply, as the sender knows; ABSENT if nothing shows that it does."""
    address, mac, sent_to = (
        row[column] for column in (schema.ARP_SENDER_LO, schema.ARP_SENDER_MAC, schema.ARP_ETH_DESTINATION)
    )
    arps = arps[(arps[:, _PLACE] == _place(row)).all(axis=1)]
    is_reply = arps[:, schema.ARP_OPERATION] == ARP_REPLY
    is_rival = (arps[:, schema.ARP_SENDER_LO] == address) & (arps[:, schema.ARP_SENDER_MAC] != mac)
    is_rival &= arps[:, schema.ARP_SENDER_MAC] > 0
    is_restored = is_rival & is_reply & (arps[:, schema.ARP_ETH_SOURCE] == mac)
    is_restored &= arps[:, schema.ARP_FIRST] > row[schema.ARP_FIRST]
    if is_restored.any():
        return int(arps[is_restored][0, schema.ARP_SENDER_MAC])
    is_rival &= arps[:, schema.ARP_FIRST] <= row[schema.ARP_LAST]
    is_rival &= arps[:, schema.ARP_LAST] >= row[schema.ARP_FIRST]
    if sent_to <= 0 or is_multicast_mac(sent_to) or not is_rival.any():
        return ABSENT
    asks = ~is_reply & (arps[:, schema.ARP_SENDER_MAC] == mac) & (arps[:, schema.ARP_TARGET_LO] == address)
    asks &= (arps[:, schema.ARP_SENDER_LO] != address) & (arps[:, schema.ARP_SENDER_LO] & 0xFFFFFFFF > 0)
    knows_better = asks.any() or row[schema.ARP_ETH_SOURCE] not in (mac, ABSENT)
    return int(arps[is_rival][0, schema.ARP_SENDER_MAC]) if knows_better else ABSENT
