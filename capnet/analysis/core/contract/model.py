"""A network model as a report has it: keys of `capnet.report/1`, documented by their comments."""

from __future__ import annotations

from capnet.analysis.core.results import Evidence
from capnet.quick_dataclass import fact, field


@fact
class Weight:
    """What one piece of evidence weighs for a model; docs/models.md lists them all."""

    name: str  # the piece of evidence
    log_odds: float  # its weight, added to the natural log-odds of the model
    shows_containers: bool  # it is positive evidence of containers, without which no model reaches 0.5


@fact
class Model:
    """One of Docker's network models that the capture shows."""

    model: str  # the model
    confidence: float  # how sure this is [0 to 1]
    because: list[str]  # what shows it, in sentences
    evidence: list[Evidence] = field(default_factory=list)  # frames that show it
    weights: list[Weight] = field(default_factory=list)  # what was added up: the n-th is of the n-th sentence
