"""What stopped packets: a rule, a policy, a counter or a drop reason of a kernel, and how it is known."""

from __future__ import annotations

from capnet.analysis.facts.kernel.namespaces import NamespaceChanges
from capnet.analysis.facts.kernel.netfilter.rules import Rule
from capnet.quick_tuple import NamedTuple

# How the number of a cause and that of the missing packets agree.
EQUAL, PART, POSSIBLE, IMPLIED = "equal", "part", "possible", "implied"
# What a cause is read from.
COUNTERS, RULES, TRACE, DROP_REASON = "counters", "rules", "trace", "drop-reason"


class Cause(NamedTuple):
    """What stopped packets of some flow rows."""

    namespace: NamespaceChanges
    rows: tuple[int, ...]  # flow rows where the packets were last seen
    rule: Rule | None
    counter: str  # its name, or a drop reason, if it is no rule
    setting: str  # that goes with a counter; of a drop reason, the function that dropped
    packets: int  # that it stopped: by how many a counter rose
    missing: int
    match: str
    is_refusal: bool
    known_by: str = COUNTERS
    frames: tuple[tuple[int, int], ...] = ()  # flow row and frame number of packets that it stopped, where known

    @property
    def name(self) -> str:
        """The rule's place, or the counter's name."""
        return self.rule.name if self.rule else self.counter


def is_main(cause: Cause) -> bool:
    """Did it stop all of the packets, or most? The last ones of a recording may come after the counters were read."""
    return cause.match in (EQUAL, IMPLIED) or (cause.match == PART and 2 * cause.packets >= cause.missing)
