"""Of more than twenty findings of one name one remains, without the facts of each: every format can show it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from capnet import language
from capnet.analysis.core.contract.finding_list import MAX_OF_ONE_NAME, Statement, Subjects, listed
from capnet.report.drawing.session_end import ENDS, session_end
from capnet.report.formats import FORMATS, load
from capnet.report.wanted import Wanted
from capnet.report.words import Words
from tests.report.golden_documents import report

PCAPS = Path(__file__).resolve().parents[2] / "pcaps"
TIMES = {"en": f"{MAX_OF_ONE_NAME + 1} times:", "zh": f"{MAX_OF_ONE_NAME + 1} 次："}
FAULTS = sorted(path for path in (PCAPS / "faults").glob("*.pcapng") if ".healthy" not in path.name)


@pytest.mark.parametrize("path", FAULTS, ids=lambda path: path.stem)
@pytest.mark.parametrize("chosen", language.LANGUAGES)
def test_every_format_shows_joined_findings(path: Path, chosen: str) -> None:
    """As of a network where a fault happens at more than twenty places."""
    whole = report(path)
    alike = [
        Statement(replace(finding, facts=finding.facts | {"place": str(number)}))
        for finding in whole.findings
        for number in range(MAX_OF_ONE_NAME + 1)
    ]
    with language.used(chosen):
        joined = listed(alike, lambda statement: Subjects())
        document = replace(whole, findings=joined).to_dict()
        for name in FORMATS:
            page = load(name).render(document, 100, {}, Wanted())
            in_json = json.dumps(TIMES[chosen])[1:-1]
            assert TIMES[chosen] in " ".join(page.split()) or in_json in page, name


@pytest.mark.parametrize("name", ENDS)
def test_session_of_joined_finding_has_no_facts(name: str) -> None:
    """What the others have in common may be said; their servers and seconds are not those of this session."""
    problem = {"name": name, "facts": {"findings": 21, "examples": ["one", "two", "three"]}}
    end = session_end(problem, "A/eth0", Words({}))
    assert end is None or "{" not in ENDS[name][1].en
