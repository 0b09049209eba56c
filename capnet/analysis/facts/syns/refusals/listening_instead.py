"""Listening instead: on which ports programs listen in the namespace that refuses, by the witnesses of its kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from capnet.analysis.core.context import Context
from capnet.analysis.facts import kernel
from capnet.analysis.facts.clues import Clue
from capnet.analysis.facts.syns.refusals.refused_ports import RefusedPorts

if TYPE_CHECKING:
    from capnet.analysis.facts.kernel.states.listening_servers import ListeningInstead


def clue(context: Context, refused: RefusedPorts) -> Clue | None:
    """What listens there, or that nothing does."""
    listening = _listening(context, refused)
    return Clue(listening.fix, listening.says, listening.facts) if listening else None


def is_server_found(context: Context, refused: RefusedPorts) -> bool:
    """Is the server that was meant among the programs that listen?"""
    listening = _listening(context, refused)
    return listening is not None and listening.is_found


def _listening(context: Context, refused: RefusedPorts) -> ListeningInstead | None:
    if context.witnesses is None or refused.port is None:
        return None
    return kernel.listening_instead(context, "tcp", refused.address, refused.port, refused.points(context))
