"""The clues to why SYNs get no answer, in order: the first that holds gives the next step.

An accepted packet that differs in one thing names the cause; without one, the place where these SYNs end says more than
what else the server answers; and silence says least. `server.silent` is what remains.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.facts.clues import Clue, Look, clues_of, first_of, joined
from capnet.analysis.facts.syns.service_groups import ServiceGroup
from capnet.analysis.facts.syns.unanswered import one_direction
from capnet.analysis.facts.syns.unanswered.differences import (
    address_family,
    gateway,
    interface,
    masquerade,
    node_port,
    other_connections,
    password,
    source_address,
    timestamps,
)
from capnet.analysis.facts.syns.unanswered.server import not_yet_up, port_filter, silent, went_down
from capnet.analysis.facts.syns.unanswered.way import (
    backend,
    host_exit,
    nat_loopback,
    next_hop,
    not_forwarded,
    server_host,
    way_out,
)

CLUES: tuple[Look[ServiceGroup], ...] = (
    nat_loopback.clue,  # the way of the answers is seen: it explains the silence whatever else differs
    # Accepted SYNs that differ name the cause.
    gateway.clue,
    interface.clue,
    address_family.clue,
    timestamps.clue,
    # Several silent servers have one cause. Behind DNAT, what the address itself answers says nothing of the backend.
    way_out.clue,
    backend.clue,
    # The service is up: at other nodes, or for other connections.
    node_port.clue,
    password.clue,
    not_forwarded.clue,
    masquerade.clue,  # what other_connections asks for, so it comes before it
    source_address.clue,  # likewise
    other_connections.clue,
    # The server is no longer up, or was not yet.
    went_down.clue,
    not_yet_up.clue,
    # The SYNs have come to its host; or something else of it answers.
    server_host.clue,
    port_filter.clue,
    # All is silent: that may be due to the capture; else what is left is the way of the SYNs.
    one_direction.clue,
    host_exit.clue,
    next_hop.clue,
)

# Told even if another clue gives the next step: the first two go on with the sentence about the accepted SYNs.
DIFFERENCES: tuple[Look[ServiceGroup], ...] = (
    gateway.clue,
    interface.clue,
    timestamps.clue,
    node_port.clue,
    address_family.clue,
)


def clue_of(context: Context, group: ServiceGroup) -> Clue:
    """The first clue that holds; its sentence tells the differences, too."""
    leading = first_of(*CLUES)(context, group) or silent.clue(group)
    clues = clues_of(DIFFERENCES, context, group)
    if leading not in clues:
        clues.append(leading)
    return joined(clues)._replace(fix=leading.fix)
