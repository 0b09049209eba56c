"""Which of Docker's network models do these packets show?

Judged from packets: tunnels, rewritten addresses, who shares a MAC with whom, who can hear whom. One model per file;
its docstring says what tells it apart and what else looks like it. Names of points and the topology only strengthen
what the packets say.

Models contain each other: an overlay's containers leave through a bridge, a namespace that two containers share hangs
on one. The model that explains the others is named first, the others keep a confidence below one half.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import Model
from capnet.analysis.facts.models import bridge, container, host, ipvlan, macvlan, none, overlay

SURE = 0.5  # from here on a model is said to be there
_MODELS = (overlay, container, macvlan, ipvlan, bridge, host, none)

# Model → what is to be expected beside it, and why that is no model of its own.
_CONTAINS = {
    "overlay": {
        "bridge": "but these containers also have an overlay network, whose way out this is",
        "macvlan": "but they are joined by an overlay network",
        "container": "but they are joined by an overlay network",
    },
    "container": {"bridge": "but it is the way out of a namespace that containers share"},
}
_NOTHING_ELSE = ("host", "none")  # what is left when no other model is there
BELOW = 0.4


def models(context: Context) -> list[Model]:
    """Models with what speaks for each, the most likely first; none at all where nothing points to one."""
    found = [model for each in _MODELS for model in each.judge(context)]
    sure = {model.model for model in found if model.confidence >= SURE}
    for inner in found:
        for outer in sure & _CONTAINS.keys():
            why = _CONTAINS[outer].get(inner.model)
            if why and inner.model in sure:
                inner.confidence = BELOW
                inner.because.append(why)
    if sure - set(_NOTHING_ELSE):
        # What was only a guess is explained by the others now.
        found = [model for model in found if model.model in sure and model.model not in _NOTHING_ELSE]
    return sorted(found, key=lambda model: (-model.confidence, model.model))
