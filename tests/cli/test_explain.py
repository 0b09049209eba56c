"""`capnet explain`: the manual pages of findings."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from capnet.analysis.findings import finding_modules
from capnet.cli import cli
from capnet.errors import UsageError
from capnet.report.manual import HEADINGS


@pytest.mark.parametrize("module", finding_modules(), ids=lambda module: module.NAME)
def test_page_has_every_heading_and_fits(module) -> None:
    page = CliRunner().invoke(cli, ["explain", module.NAME]).output
    lines = page.splitlines()
    assert lines[0].startswith(f"{module.NAME}: ")
    assert [line for line in lines if line in HEADINGS] == list(HEADINGS)
    assert max(map(len, lines)) <= 100


def test_list_names_every_finding() -> None:
    names = {line.split()[0] for line in CliRunner().invoke(cli, ["explain"]).output.splitlines() if line[0] != " "}
    assert names == {module.NAME for module in finding_modules()}


@pytest.mark.parametrize(("given", "hint"), [("stop-between", "stops-between"), ("xyzzy", "`capnet explain`")])
def test_unknown_name_is_an_error_with_a_hint(given: str, hint: str) -> None:
    error = CliRunner().invoke(cli, ["explain", given]).exception
    assert isinstance(error, UsageError) and hint in str(error)
