"""How many frames were decoded to the end, and the reasons why others were not."""

from __future__ import annotations

from collections import Counter

from capnet.analysis.core.results import Coverage
from capnet.wire import fields
from capnet.wire.numbers import PROTO_NAMES
from capnet.wire.protocols import KIND_OF_NUMBER
from capnet.wire.protocols.linktypes import linktype_name


def decode_coverage(packets: int, undecoded: Counter[tuple[int, int]]) -> Coverage:
    """The coverage of `packets` frames. `undecoded`: (fields.REASON_, detail) → frames, one reason a frame at most."""
    reasons: Counter[str] = Counter()
    for (reason, detail), count in undecoded.items():
        reasons[reason_words(reason, detail)] += count
    return Coverage(packets, packets - sum(reasons.values()), dict(sorted(reasons.items())))


def reason_words(reason: int, detail: int) -> str:
    """Why a frame was not decoded further, as reports say it. `detail`: what `fields.DETAIL` says of this reason."""
    if reason == fields.REASON_CUT:
        return "cut inside a header"
    if reason == fields.REASON_LINKTYPE:
        return f"link type {linktype_name(detail)}"
    if reason == fields.REASON_ETHERTYPE:
        return f"ethertype 0x{detail:04x}"
    if reason == fields.REASON_PROTO:
        return PROTO_NAMES[detail].upper() if detail in PROTO_NAMES else f"IP protocol {detail}"
    if reason == fields.REASON_DEPTH:
        return f"more than {fields.MAX_DEPTH} tunnels inside each other"
    if reason == fields.REASON_LLC:
        return "802.3 with LLC"
    if reason == fields.REASON_NEXT:
        return f"VXLAN-GPE next protocol {detail}"
    if reason == fields.REASON_INSIDE:
        return f"{KIND_OF_NUMBER[detail].title} without IP inside"
    if reason == fields.REASON_LABELS:
        return f"more than {detail} MPLS labels"
    return "malformed header"
