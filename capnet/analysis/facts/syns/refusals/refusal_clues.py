"""The clues to why a port refuses: what the packets show, else what is known of the host.

Those that are told together stand in the order of the sentence, the most telling last.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.facts.clues import Clue, first_of, together
from capnet.analysis.facts.syns.refusals import (
    listening_instead,
    meant_ports,
    nearer_sender,
    no_longer_forwarded,
    other_family,
    published_elsewhere,
    published_for,
    refused_before,
)
from capnet.analysis.facts.syns.refusals.refused_ports import RefusedPorts

BY_PACKETS = together(
    first_of(
        no_longer_forwarded.clue,  # the address did publish the port, and its own RST comes from nearer
        refused_before.clue,
        together(nearer_sender.clue, published_elsewhere.clue),
    ),
    other_family.clue,
)
OF_SEVERAL = first_of(refused_before.clue, nearer_sender.clue)
BY_HOST = first_of(
    published_for.clue,  # another container was meant: what listens in this one does not matter
    together(listening_instead.clue, meant_ports.clue),
)


def clue_of(context: Context, refused: RefusedPorts) -> Clue | None:
    """What tells why. A scan means no port, and a server that was starting needs no explanation of its host."""
    if len(refused.ports) > 1:
        return OF_SEVERAL(context, refused)
    clue = BY_PACKETS(context, refused)
    if clue or refused.is_scan or refused.accepted_later:
        return clue
    return BY_HOST(context, refused)
