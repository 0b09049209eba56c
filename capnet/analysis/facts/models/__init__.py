"""Network models: which of Docker's network drivers the packets show, how confidently, and why.

Method: the weights of what was seen (`weights.EVIDENCE`), natural log-odds, are added to those of the prior, as if they
were independent. Without a row that shows containers, a model stays below one half, however much else is seen: the same
is seen of routers, hypervisors and hosts with several addresses.
Models contain each other: containers of an overlay leave through a bridge, a namespace that two containers share is on
one. The model that explains the others comes first; the others keep a confidence below one half.
Output: models from MIN_LISTED_CONFIDENCE up, with the weights that were added, so that a reader can check the sum.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from math import exp

from capnet.analysis.core.context import Context
from capnet.analysis.core.contract.model import Model, Weight
from capnet.analysis.core.derived import derived
from capnet.analysis.core.results import MAX_EVIDENCE, Evidence
from capnet.analysis.core.wording import Text
from capnet.analysis.facts.models.signs.sign import EvidenceRow, Sign
from capnet.analysis.facts.models.weights import EVIDENCE, NAMES, PRIOR

MIN_CONFIDENCE = 0.5  # of 0 to 1: from here on a model counts as present, and explains others
MIN_LISTED_CONFIDENCE = 0.1  # five times the prior: below, hardly anything points to the model
MAX_UNSHOWN_CONFIDENCE = 0.45  # without positive evidence of containers
MAX_CONTAINED_CONFIDENCE = 0.4  # of a model that another one explains: below MIN_CONFIDENCE
MAX_CONFIDENCE = 0.99  # weights are estimates

# Model → models that occur with it, and why each is no model of its own then.
_JOINED = Text(en="but they are joined by an overlay network", zh="但它们由 overlay 网络连接")
_CONTAINS = {
    "overlay": {
        "bridge": Text(
            en="but these containers also have an overlay network, whose way out this is",
            zh="但这些容器还有 overlay 网络，这是它们的出口",
        ),
        "macvlan": _JOINED,
        "container": _JOINED,
    },
    "container": {
        "bridge": Text(
            en="but it is the way out of a namespace that containers share", zh="但它是容器共享的命名空间的出口"
        )
    },
}
_ONLY_ALONE = {"host", "none"}  # they say that nothing else is present
_ENGINE_ROWS = {row.name for row in EVIDENCE if row.group == "engine"}  # they show containers, hardly which network
_NOTHING_SHOWS_CONTAINERS = Text(
    en="but nothing shows that there are containers: what is none looks the same",
    zh="但没有迹象表明有容器：没有容器的网络看起来也一样",
)


@derived
def models(context: Context) -> list[Model]:
    """Models, the most confident first; empty if nothing points to one."""
    signs = {row.name: _first_signs(context, row) for row in EVIDENCE}
    candidates = [_judged(name, signs) for name in NAMES]
    candidates = [candidate for candidate in candidates if _is_listed(candidate)]
    present = {candidate.model for candidate in candidates if candidate.confidence >= MIN_CONFIDENCE}
    candidates = [_within(present, candidate) for candidate in candidates]
    if present - _ONLY_ALONE:
        # The models that are present explain what spoke for the others.
        candidates = [candidate for candidate in candidates if candidate.model in present - _ONLY_ALONE]
    return sorted(candidates, key=lambda candidate: (-candidate.confidence, candidate.model))


def confidence_in(context: Context, model: str) -> float:
    """The confidence in a model, 0 where it is not listed."""
    return next((candidate.confidence for candidate in models(context) if candidate.model == model), 0.0)


def _first_signs(context: Context, row: EvidenceRow) -> list[Sign]:
    """The signs of a row up to the first that speaks about every model: one counts, however many there are."""
    signs = []
    for sign in row.signs(context):
        signs.append(sign)
        if sign.model is None:
            break
    return signs


@cache
def _rows_of(name: str) -> list[EvidenceRow]:
    """The rows that weigh for or against a model, those that weigh most for it first."""
    return sorted((row for row in EVIDENCE if row.log_odds.get(name)), key=lambda row: -row.log_odds[name])


def _judged(name: str, signs: dict[str, list[Sign]]) -> Model:
    """One model: the first sign of each row that weighs for it, the heaviest first."""
    because: list[str] = []
    weights: list[Weight] = []
    frames: list[Evidence] = []
    groups: set[str] = set()
    for row in _rows_of(name):
        sign = next((sign for sign in signs[row.name] if sign.model in (None, name)), None)
        if sign and row.group not in groups:
            groups |= {row.group} - {""}
            because.append(sign.says)
            weights.append(Weight(row.name, row.log_odds[name], row.shows_containers))
            frames += sign.frames
    confidence = min(1 / (1 + exp(-PRIOR - sum(weight.log_odds for weight in weights))), MAX_CONFIDENCE)
    if not any(weight.shows_containers and weight.log_odds > 0 for weight in weights):
        confidence = min(confidence, MAX_UNSHOWN_CONFIDENCE)
        because.append(_NOTHING_SHOWS_CONTAINERS.fill())
    evidence = sorted(list(dict.fromkeys(frames))[:MAX_EVIDENCE])  # of the heaviest
    return Model(name, round(confidence, 2), because, evidence, weights)


def _is_listed(candidate: Model) -> bool:
    """Does something speak for this model, and not for containers only?"""
    tells_model = any(weight.log_odds > 0 and weight.name not in _ENGINE_ROWS for weight in candidate.weights)
    return tells_model and candidate.confidence >= MIN_LISTED_CONFIDENCE


def _within(present: set[str], inner: Model) -> Model:
    """A model, less confident where it is only a part of another one that is present."""
    reasons = [_CONTAINS[outer].get(inner.model) for outer in sorted(present & _CONTAINS.keys())]
    because = [reason.fill() for reason in reasons if reason]
    if not because or inner.model not in present:
        return inner
    return replace(inner, confidence=MAX_CONTAINED_CONFIDENCE, because=[*inner.because, *because])
