"""What capnet says about a kind of tunnel, in one place.

Each protocol file that decodes a tunnel describes it in a `KIND`; `capnet.wire.protocols.TUNNEL_KINDS` lists them.
Reports, flow expressions, Wireshark filters, the JSON schema, docs/protocols.md and the comparison with tshark read
these descriptions. Field names and filters are those of Wireshark 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, field

from capnet.quick_dataclass import value


@value
class TunnelKind:
    """The names, the numbers and the Wireshark filters of one kind of tunnel."""

    _: KW_ONLY
    name: str  # in JSON and in flow expressions
    number: int  # in the columns TUNNEL and VIA: its place in TUNNEL_KINDS, counted from 1
    title: str  # in sentences
    specification: str
    inside: str  # what capnet decodes inside it
    limits: str
    is_encrypted: bool = False  # capnet cannot read what is inside

    # The number that tells tunnels of this kind between two hosts apart.
    id_name: str = ""  # as the specification calls it; empty if there is none
    id_fields: Mapping[str, int] = field(default_factory=dict)  # Wireshark's that may hold it → their bits
    other_id_bits: int = 0  # of an id that no field of Wireshark's holds alone
    has_id_per_direction: bool = False  # each end chooses the id of the packets that it receives

    udp_port: int | None = None  # on which Wireshark expects this kind
    ip_protocols: tuple[int, ...] = ()  # that announce this kind, if it is directly in IP
    display_filter: str  # selects the frames of all tunnels of this kind
    is_filtered_by_ends: bool = False  # the filter of one tunnel names its two hosts: its id alone is not unique
    filter_selects_also: str = ""  # frames that are not of the tunnel, but that its filter selects

    # A field that Wireshark shows in every header of this kind, and its values, if others are not this kind. Empty for
    # kinds without a dissector of their own.
    header_field: str = ""
    header_values: tuple[int, ...] = ()
    # Wireshark's field with the length of the UDP payload, if the header has one: capnet takes a packet whose length is
    # another one for no tunnel. It does not count the first `length_offset` octets.
    length_field: str = ""
    length_offset: int = 0

    @property
    def id_bits(self) -> int:
        """How many bits an id has."""
        return max([self.other_id_bits, *self.id_fields.values()])

    def titled(self, ident: int | None) -> str:
        """`GTP-U TEID 7`; the title alone if `ident` is None."""
        return self.title if ident is None else f"{self.title} {self.id_name} {ident}"

    def filter_of(self, ident: int | None) -> str:
        """Wireshark filter for the frames with this id, between any hosts."""
        if ident is None or not self.id_fields:
            return self.display_filter
        # Wireshark refuses a number that a field cannot hold.
        tests = [f"{name} == {ident}" for name, bits in self.id_fields.items() if ident >> bits == 0]
        return tests[0] if len(tests) == 1 else f"({' || '.join(tests)})"
