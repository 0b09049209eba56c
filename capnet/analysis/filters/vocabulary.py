"""The words of flow expressions: those of pcap-filter(7), capnet's own, and Wireshark's display filter fields."""

from __future__ import annotations

from difflib import get_close_matches

from capnet.analysis.filters import predicates
from capnet.quick_tuple import NamedTuple

DIRECTIONS = ("src", "dst")
AND, OR, NOT = ("and", "&&"), ("or", "||"), ("not", "!")
TYPES = ("host", "net", "port", "portrange")
OTHER_TYPES = (*predicates.TUNNEL_IDS, "point", "container", "id", "proto", "ether")
WORDS = (
    "and", "or", "not", *DIRECTIONS, *TYPES, *OTHER_TYPES,
    *predicates.PROTOCOLS, *predicates.FAMILIES, *predicates.TUNNELS,
)  # fmt: skip
MIN_SIMILARITY = 0.6  # of 0 to 1, by difflib: a word less similar is no typing error
MIN_FIELD_SIMILARITY = 0.8  # their beginnings are alike


class Field(NamedTuple):
    """What one of Wireshark's fields compares: a type, at which end, and of which protocol."""

    kind: str
    end: str  # src, dst or any
    proto: str | None = None


_ADDRESS_ENDS = {
    "addr": "any", "src": "src", "dst": "dst", "host": "any", "src_host": "src", "dst_host": "dst",
}  # fmt: skip
_PORT_ENDS = {"port": "any", "srcport": "src", "dstport": "dst"}

FIELDS = {
    **{f"{family}.{name}": Field("host", end) for family in ("ip", "ipv6") for name, end in _ADDRESS_ENDS.items()},
    **{
        f"{proto}.{name}": Field("port", end, proto)
        for proto in ("tcp", "udp", "sctp")
        for name, end in _PORT_ENDS.items()
    },
    **{f"eth.{name}": Field("ether", end) for name, end in (("addr", "any"), ("src", "src"), ("dst", "dst"))},
    **{
        name: Field(word, "any")
        for word, kinds in predicates.TUNNEL_IDS.items()
        for kind in kinds
        for name in kind.id_fields
    },
    "ip.proto": Field("proto", "any"),
    "icmp.ident": Field("id", "any"),
    "icmpv6.echo.identifier": Field("id", "any"),
    "frame.interface_name": Field("point", "any"),
}


COMMON_FIELDS = ("ip.addr", "ip.src", "ip.dst", "tcp.port", "udp.port", "eth.addr", "vxlan.vni")
_FIRST_WORDS = {name.partition(".")[0] for name in FIELDS}


def is_like_field(text: str) -> bool:
    """Is this a field of Wireshark, of a protocol of which FIELDS has others?"""
    return text.partition(".")[0] in _FIRST_WORDS and "." in text


def similar_word(text: str) -> str | None:
    """The word that was probably meant; None if none is similar."""
    if is_like_field(text):
        similar = get_close_matches(text, FIELDS, 1, MIN_FIELD_SIMILARITY)
    else:
        similar = get_close_matches(text, WORDS, 1, MIN_SIMILARITY)
    return similar[0] if similar else None


def may_repeat_qualifiers(text: str, kind: str) -> bool:
    """Can this word alone be one more value of a type, as `8080` in `port 80 or 8080`?"""
    if kind in ("port", "portrange"):
        return text[:1].isdigit()
    return text not in WORDS
