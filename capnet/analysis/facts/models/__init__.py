"""Network models: which of Docker's network drivers the packets show, how confidently, and why.

Judged from packets: tunnels, rewritten addresses, shared MACs, who gets whose broadcasts. One model per file; its
docstring says what tells it apart and what looks alike. Names of points and the topology only strengthen what packets
say.
Models contain each other: containers of an overlay leave through a bridge, a namespace that two containers share is on
one. The model that explains the others comes first; the others keep a confidence below one half.
"""

from __future__ import annotations

from dataclasses import replace

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import Model
from capnet.analysis.facts.models import bridge, container, host, ipvlan, macvlan, none, overlay

MIN_CONFIDENCE = 0.5  # of 0 to 1: from here on a model counts as present, and explains others
MAX_CONTAINED_CONFIDENCE = 0.4  # of a model that another one explains: below MIN_CONFIDENCE
_MODELS = (overlay, container, macvlan, ipvlan, bridge, host, none)

# Model → models that occur with it, and why each is no model of its own then.
_CONTAINS = {
    "overlay": {
        "bridge": "but these containers also have an overlay network, whose way out this is",
        "macvlan": "but they are joined by an overlay network",
        "container": "but they are joined by an overlay network",
    },
    "container": {"bridge": "but it is the way out of a namespace that containers share"},
}
_ONLY_ALONE = {"host", "none"}  # they say that nothing else is present


def models(context: Context) -> list[Model]:
    """Models, the most confident first; empty if nothing points to one."""
    candidates = [candidate for model in _MODELS for candidate in model.judge(context)]
    present = {candidate.model for candidate in candidates if candidate.confidence >= MIN_CONFIDENCE}
    candidates = [_within(present, candidate) for candidate in candidates]
    if present - _ONLY_ALONE:
        # The models that are present explain what spoke for the others.
        candidates = [candidate for candidate in candidates if candidate.model in present - _ONLY_ALONE]
    return sorted(candidates, key=lambda candidate: (-candidate.confidence, candidate.model))


def _within(present: set[str], inner: Model) -> Model:
    """A model, less confident where it is only a part of another one that is present."""
    reasons = [_CONTAINS[outer].get(inner.model) for outer in sorted(present & _CONTAINS.keys())]
    because = [reason for reason in reasons if reason]
    if not because or inner.model not in present:
        return inner
    return replace(inner, confidence=MAX_CONTAINED_CONFIDENCE, because=[*inner.because, *because])
