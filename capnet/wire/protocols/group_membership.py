"""Who joins and leaves multicast groups: messages of IGMP (RFC 1112, 2236, 3376) and MLD (RFC 2710, 3810).

    IGMPv3  type 0x22(1) reserved(1) checksum(2) reserved(2) records(2) | record: type(1) words of auxiliary data(1)
    MLDv2   type 143(1)  code(1)     checksum(2) reserved(2) records(2) | sources(2) group(4, 16) sources … auxiliary

Input: a message from its first byte on. Output: a `GroupMessage`. Limits: of a message that was cut, the records that
are whole; plain Python, for few messages.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address

from capnet.quick_tuple import NamedTuple

IGMP_QUERY, IGMP_V1_REPORT, IGMP_V2_REPORT, IGMP_LEAVE, IGMP_V3_REPORT = 0x11, 0x12, 0x16, 0x17, 0x22
MLD_QUERY, MLD_V1_REPORT, MLD_DONE, MLD_V2_REPORT = 130, 131, 132, 143
MLD_TYPES = (MLD_QUERY, MLD_V1_REPORT, MLD_DONE, MLD_V2_REPORT)
HEADER = 8  # octets before the records, or before the group of MLDv1; of IGMPv1 and v2 the group is the last four
LONG_QUERY = (12, 28)  # octets of a query that names sources, of IGMPv3 and MLDv2, at least

# Types of group records (RFC 3376 section 4.2.12), as Wireshark writes them in small letters.
RECORD_TYPES = {
    1: "mode is include", 2: "mode is exclude", 3: "change to include mode", 4: "change to exclude mode",
    5: "allow new sources", 6: "block old sources",
}  # fmt: skip
IS_INCLUDE, IS_EXCLUDE, TO_INCLUDE, TO_EXCLUDE, ALLOW, BLOCK = RECORD_TYPES


class GroupRecord(NamedTuple):
    """What is said of one group; `kind` is a key of RECORD_TYPES, 0 in messages of older versions."""

    kind: int
    group: str
    sources: tuple[str, ...]

    @property
    def is_join(self) -> bool:
        """Does the sender want packets to the group, of any source or of these?"""
        return self.kind in (IS_EXCLUDE, TO_EXCLUDE) or (
            self.kind in (IS_INCLUDE, TO_INCLUDE, ALLOW) and bool(self.sources)
        )


class GroupMessage(NamedTuple):
    """A message: `name` as its RFC calls it, and its records."""

    name: str
    is_report: bool  # of a version without records: its group is joined
    records: tuple[GroupRecord, ...]

    @property
    def joined(self) -> list[str]:
        """The groups that the sender wants."""
        return [each.group for each in self.records if (self.is_report if not each.kind else each.is_join)]


def group_message(message: bytes, is_v6: bool) -> GroupMessage | None:
    """What an IGMP or MLD message says; None of another type, or if its header is cut."""
    if len(message) < HEADER:
        return None
    kind, protocol, size = message[0], "MLD" if is_v6 else "IGMP", 16 if is_v6 else 4
    if kind == (MLD_V2_REPORT if is_v6 else IGMP_V3_REPORT):
        return GroupMessage(f"{protocol}v{2 if is_v6 else 3} report", True, tuple(_records(message, size)))
    version = {IGMP_V1_REPORT: 1, IGMP_V2_REPORT: 2, MLD_V1_REPORT: 1}.get(kind, 0)
    at = HEADER if is_v6 else HEADER - size
    group = (GroupRecord(0, _address(message[at : at + size]), ()),) if at + size <= len(message) else ()
    if kind == (MLD_QUERY if is_v6 else IGMP_QUERY):
        is_long = len(message) >= LONG_QUERY[is_v6]
        sources = tuple(_sources(message, LONG_QUERY[is_v6], size)) if is_long else ()
        name = f"{protocol} query" if not is_long else f"{protocol}v{2 if is_v6 else 3} query"
        return GroupMessage(name, False, tuple(record._replace(sources=sources) for record in group))
    if kind == (MLD_DONE if is_v6 else IGMP_LEAVE):
        return GroupMessage(f"{protocol} {'done' if is_v6 else 'leave'}", False, group)
    is_own = kind == MLD_V1_REPORT if is_v6 else kind in (IGMP_V1_REPORT, IGMP_V2_REPORT)
    return GroupMessage(f"{protocol}v{version} report", True, group) if is_own else None


def _records(message: bytes, size: int) -> Iterator[GroupRecord]:
    """The records of a report that are whole."""
    at, count = HEADER, int.from_bytes(message[6:8], "big")
    for _ in range(count):
        if at + 4 + size > len(message):
            return
        kind, auxiliary, sources = message[at], message[at + 1], int.from_bytes(message[at + 2 : at + 4], "big")
        first = at + 4 + size
        at = first + sources * size
        if at > len(message):
            return
        yield GroupRecord(kind, _address(message[first - size : first]), tuple(_addresses(message[first:at], size)))
        at += auxiliary * 4


def _sources(message: bytes, at: int, size: int) -> Iterator[str]:
    """The sources that a query names, behind their number."""
    count = int.from_bytes(message[at - 2 : at], "big")
    return _addresses(message[at : at + min(count, (len(message) - at) // size) * size], size)


def _addresses(data: bytes, size: int) -> Iterator[str]:
    return (_address(data[at : at + size]) for at in range(0, len(data), size))


def _address(data: bytes) -> str:
    return str(IPv4Address(data) if len(data) == 4 else IPv6Address(data))
