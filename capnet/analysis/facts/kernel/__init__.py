"""What the kernels of a recording say of its packets: which rule, counter or setting stopped them. Internal.

A capture without witnesses costs nothing: all that reads them is loaded when there are some.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.contract.outcomes import KernelReason
from capnet.analysis.core.results import Finding


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
