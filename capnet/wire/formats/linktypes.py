"""Names of link types, as Wireshark's capinfos and libpcap write them (tcpdump.org/linktypes.html)."""

from __future__ import annotations

_NAMES = {
    0: "NULL",
    1: "EN10MB",
    8: "SLIP",
    9: "PPP",
    12: "RAW",
    14: "RAW",
    101: "RAW",
    105: "IEEE802_11",
    108: "LOOP",
    113: "LINUX_SLL",
    127: "IEEE802_11_RADIO",
    195: "IEEE802_15_4_WITHFCS",
    228: "IPV4",
    229: "IPV6",
    253: "NETLINK",
    276: "LINUX_SLL2",
}


def linktype_name(value: int) -> str:
    """`EN10MB` for 1; `LINKTYPE_n` for a type without a name here."""
    return _NAMES.get(value, f"LINKTYPE_{value}")
