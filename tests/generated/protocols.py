"""docs/protocols.md: the link layers, protocols and tunnels that capnet decodes, and where it stops."""

from __future__ import annotations

import tempfile
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from capnet.analysis.aggregate.decode_coverage import reason_words
from capnet.analysis.filters import predicates
from capnet.wire import fields, numbers, protocols
from capnet.wire.capture import open_capture
from capnet.wire.protocols import TUNNEL_KINDS, ethernet, gre, gtpu, ipv6, mpls
from capnet.wire.protocols.linktypes import linktype_name
from capnet.wire.tunnel_kinds import TunnelKind
from tests.made.build import pcap

HEAD = """# Protocols

<!-- Made from the code by `python -m tests.generated`: do not edit. -->

[CONTRIBUTING.md](../CONTRIBUTING.md) says how to add one.
"""

LIMITS = {
    "VLAN tags": (ethernet.MAX_TAGS, "the two outermost are shown"),
    "IPv6 extension headers": (ipv6.MAX_EXTENSIONS, "the next one is taken for the payload"),
    "MPLS labels": (mpls.MAX_LABELS, "a longer stack is not decoded further"),
    "source routes of GRE": (gre.MAX_ROUTES, "a longer list is taken for a cut header"),
    "tunnels inside each other": (fields.MAX_DEPTH, "what is in the last one is not decoded"),
}
# A value for the reasons that name one.
_EXAMPLES = {
    fields.REASON_LINKTYPE: 127,  # IEEE 802.11 with radiotap
    fields.REASON_ETHERTYPE: numbers.ETHERTYPE_LLDP,
    fields.REASON_PROTO: 253,
    fields.REASON_NEXT: 4,
    fields.REASON_INSIDE: gtpu.TUNNEL_GTPU,
    fields.REASON_LABELS: mpls.MAX_LABELS,
}


def protocols_page() -> str:
    """The page."""
    return "\n".join([HEAD, *_link_layers(), *_protocols(), *_tunnels(), *_limits()])


def _link_layers() -> list[str]:
    linktypes = sorted({value for name, value in vars(numbers).items() if name.startswith("LINKTYPE_")})
    rows = [f"| {value} | {linktype_name(value)} |" for value in linktypes if _is_decoded(value)]
    return ["## Link layers", "", "| link type | name in reports |", "|---|---|", *rows, ""]


def _is_decoded(linktype: int) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "one.pcap"
        path.write_bytes(pcap([bytes(60)], linktype))
        with open_capture(path, compiled=False) as capture:
            rows = [row for block in capture.blocks() for row in block.dicts()]
    return [row["reason"] for row in rows] != [fields.REASON_LINKTYPE]


def _protocols() -> list[str]:
    names = sorted(module.name for module in iter_modules(protocols.__path__))
    rows = []
    for name in names:
        title = (import_module(f"{protocols.__name__}.{name}").__doc__ or "").partition("\n")[0].removesuffix(".")
        rows.append(f"| [{name}.py](../capnet/wire/protocols/{name}.py) | {title} |")
    return ["## Protocols", "", "| file | decodes |", "|---|---|", *rows, ""]


def _tunnels() -> list[str]:
    intro = [
        "## Tunnels",
        "",
        "A frame inside a tunnel is a frame of its own, with the tunnel it came through.",
        "A packet that does not fit the header of its tunnel is no tunnel, whatever its port.",
    ]
    return [*intro, *(line for kind in TUNNEL_KINDS for line in _tunnel(kind)), ""]


def _tunnel(kind: TunnelKind) -> list[str]:
    announced = [f"IP protocol {number}" for number in kind.ip_protocols]
    announced += [f"UDP port {kind.udp_port}"] if kind.udp_port else []
    words = [f"`{kind.name}`"]
    filters = [f"`{kind.display_filter}`"]
    if kind.id_name.lower() in predicates.TUNNEL_IDS:
        words.append(f"`{kind.id_name.lower()} N`")
    if kind.id_fields and not kind.is_encrypted:
        filters += [f"`{name} == N`" for name in kind.id_fields]
    lines = {
        "Specification": kind.specification,
        "Announced by": ", ".join(announced),
        "Id": f"{kind.id_name}{', another one in each direction' * kind.has_id_per_direction}",
        "Inside": kind.inside,
        "Flow expressions": ", ".join(words),
        "Wireshark": ", ".join(filters) + ", and the two hosts" * kind.is_filtered_by_ends,
        "This filter also selects": kind.filter_selects_also,
        "Limits": kind.limits,
    }
    return ["", f"### {kind.title}", "", *(f"- {label}: {says}" for label, says in lines.items() if says)]


def _limits() -> list[str]:
    rows = [f"| {what} | {bound} | {beyond} |" for what, (bound, beyond) in LIMITS.items()]
    reasons = sorted(
        reason_words(value, _EXAMPLES.get(value, 0))
        for name, value in vars(fields).items()
        if name.startswith("REASON_") and value
    )
    return [
        "## Limits",
        "",
        "| of one frame | at most | beyond that |",
        "|---|---|---|",
        *rows,
        "",
        "The report counts frames that capnet does not decode to the end, by reason. The reasons, with examples:",
        "",
        *(f"- {reason}" for reason in reasons),
        "",
    ]
