"""docs/models.md: what the network models are, by which evidence they are told, and how far that can be relied on."""

from __future__ import annotations

import inspect
import re
import tempfile
from functools import cache
from math import exp
from pathlib import Path

from capnet.analysis.facts.models import (
    MAX_CONTAINED_CONFIDENCE,
    MAX_UNSHOWN_CONFIDENCE,
    MIN_CONFIDENCE,
    MIN_LISTED_CONFIDENCE,
)
from capnet.analysis.facts.models.signs.sign import EvidenceRow
from capnet.analysis.facts.models.weights import EVIDENCE, NAMES, PRIOR
from capnet.report.models.pages import FAILURES, MODEL_PAGES, USED_BY
from tests.calibration import bins, repository, told

HEAD = f"""# Network models

<!-- Made from the code by `python -m tests.generated`: do not edit. -->

A report says which of Docker's network models a capture shows, how confidently, and why.
Each model begins with the log-odds {PRIOR:.1f}, that is {1 / (1 + exp(-PRIOR)):.2f}.
What was seen adds its weight; the confidence is 1 / (1 + exp(−sum)).
Rows of one group have one cause: the heaviest alone counts.
`models[].weights` of the JSON report lists what was added, so that the sum can be checked.

- Without a row that **shows containers**, a model has at most {MAX_UNSHOWN_CONFIDENCE}: routers, hypervisors, switch
  fabrics and hosts with several addresses show everything else as well.
- From {MIN_CONFIDENCE} up a model stands in the title. Below, the report says that the model is not clear, if
  containers were seen at all. From {MIN_LISTED_CONFIDENCE} up it is listed.
- A model that is a part of another one, such as the bridge by which containers of an overlay network go out, has
  {MAX_CONTAINED_CONFIDENCE}.

"""


def models_page() -> str:
    """The page: the table of evidence, and the calibration."""
    pages = [line for name in NAMES for line in _model(name)]
    return "\n".join([HEAD + "## Models", *pages, "", "## Evidence", "", *_evidence(), "", *_calibration()]) + "\n"


def _model(name: str) -> list[str]:
    """The page that `capnet explain` prints."""
    page = MODEL_PAGES[name]
    failures = ", ".join(f"[{failure}](findings.md#{failure})" for failure in page.failures)
    lines = ["", f"### {name}", "", f"{page.title.en[:1].upper()}{page.title.en[1:]}.", "", page.wiring.en, ""]
    lines += [f"- {text.en}" for text in page.packets]
    return [*lines, "", f"**{USED_BY.en}**: {page.used_by.en}", "", f"**{FAILURES.en}**: {failures}."]


def _evidence() -> list[str]:
    heads = ["evidence", "weighs", "shows containers", "seen is", "wrong when"]
    return [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|", *map(_row, EVIDENCE)]


def _row(row: EvidenceRow) -> str:
    weights = ", ".join(f"{name} {row.log_odds[name]:+.1f}" for name in NAMES if name in row.log_odds)
    group = f" (group {row.group})" if row.group else ""
    seen, _, wrong = (inspect.getdoc(row.signs) or "").partition("Wrong when:")
    cells = [row.name, weights + group, "yes" if row.shows_containers else "", _cell(seen), _cell(wrong)]
    return f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip().removesuffix(".").replace("|", "\\|")


@cache
def _calibration() -> tuple[str, ...]:
    with tempfile.TemporaryDirectory() as folder:
        captures = list(repository(Path(folder)))
        answers = told(captures)
    lines = [
        "## Calibration",
        "",
        f"`python -m tests.calibration` compares with the truth what is told of {len(captures)} captures: the golden",
        "captures with their topology, without it and without names, each of their points alone, and the captures that",
        f"tests make, which show no model. {len(answers)} models are told.",
        "",
        "| confidence | told | right | must be right |",
        "|---|---:|---:|---:|",
    ]
    ends = [*[row.least for row in bins(answers)][1:], 1.0]
    for row, end in zip(bins(answers), ends, strict=True):
        lines.append(f"| {row.least} to {end} | {row.told} | {row.right} | {row.least:.0%} |")
    lines += ["", "The same command takes a file with labels of other captures."]
    return tuple(lines)
