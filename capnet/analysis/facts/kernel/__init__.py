"""What the kernels of a recording say of its packets: which rule, counter or setting stopped them. Internal.

A capture without witnesses costs nothing: all that reads them is loaded when there are some.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from capnet.analysis.core.context import Context
from capnet.analysis.core.contract.outcomes import KernelReason
from capnet.analysis.core.results import Finding

if TYPE_CHECKING:
    from capnet.analysis.facts.kernel.states.listening_servers import ListeningInstead
    from capnet.analysis.facts.kernel.states.unsent_packets import UnsentPackets


def kernel_reasons(context: Context) -> list[KernelReason]:
    """What the kernels say of packets; nothing if they were not asked."""
    if context.witnesses is None:
        return []
    from capnet.analysis.facts.kernel import reasons

    return reasons.kernel_reasons(context)


def has_meaning(counter: str) -> bool:
    """Does a counter of the kernel, which a reason names, count nothing but packets that end for one reason?"""
    from capnet.analysis.facts.kernel import counters

    return counters.has_meaning(counter)


def listening_instead(
    context: Context, proto: str, address: str, port: int, points: Iterable[str]
) -> ListeningInstead | None:
    """What listens where a port refuses, by the kernel of the namespace that has the address and one of the points."""
    if context.witnesses is None:
        return None
    from capnet.analysis.facts.kernel.states import listening_servers

    return listening_servers.listening_instead(context, proto, address, port, points)


def unsent_packets(context: Context) -> list[UnsentPackets]:
    """What programs in containers wanted to send; nothing if the kernels were not asked."""
    if context.witnesses is None:
        return []
    from capnet.analysis.facts.kernel.states import unsent_packets

    return unsent_packets.unsent_packets(context)


def ambiguous_drops(context: Context) -> dict[str, int]:
    """Drop reason → packets that the kernel dropped for it, and of which the frame is not certain."""
    if context.witnesses is None:
        return {}
    from capnet.analysis.facts.kernel import drop_reasons

    return drop_reasons.drop_reasons(context).ambiguous


def with_kernel_reasons(context: Context, findings: list[Finding]) -> list[Finding]:
    """The findings, whose sentences say what the kernels say of their packets.

    `kernel-drop` is left out where another one above info is about the same packets.
    """
    if context.witnesses is None:
        return findings
    from capnet.analysis.facts.kernel.explained_findings import with_reasons, without_explained_drops

    return with_reasons(context, without_explained_drops(context, findings))
