"""docs/scenarios.md: what each scenario builds and sends, and what capnet says of its stored capture."""

from __future__ import annotations

from capnet.analysis.core.sources import Source
from capnet.analysis.engine import analyze
from capnet.cli.scenario_help import title
from capnet.report.formats.table import render
from capnet.report.wanted import Wanted
from capnet.scenario import library
from tests.conftest import PROJECT

HEAD = """# Scenarios

<!-- Made by `python -m tests.generated`: do not edit. -->

The descriptions are those of the files in [scenarios/](../scenarios).
The reports are the first screens of `capnet analyze` on the stored capture of each, in [pcaps/](../pcaps/README.md).

To play one: `sudo capnet scenario NAME --lab`.
It builds the network on two Docker hosts made on this machine and sends through it.
It captures at every point and prints the report.
Then it checks that its packets show what the scenario claims.
If they do not, it names the claim, keeps the capture and exits with code 1.
"""

FAULTS_HEAD = """
## Faults

A fault is a network that works until one line breaks it: `sudo capnet scenario fault NAME --lab`.
[Findings](findings.md#faults) says which line, and which finding names it.

"""


def scenarios_page() -> str:
    """The page, a section for each scenario in order of name, and a list of the faults."""
    faults = library.files("faults")
    rows = "".join(f"- `{name}`: {title(name, path)}\n" for name, path in faults.items())
    return HEAD + "".join(_section(name) for name in library.files()) + FAULTS_HEAD + rows


def _section(name: str) -> str:
    heading, _, body = (library.load(name).__doc__ or "").strip().partition("\n\n")
    return (
        f"\n## {name}\n\n{heading.partition(': ')[2]}.\n\n```text\n{body}\n```\n\n"
        f"```text\n$ capnet analyze pcaps/{name}.pcapng\n{transcript(name)}\n```\n"
    )


def transcript(name: str) -> str:
    """The first screen of the report on a stored capture, as `capnet analyze` prints it."""
    file = f"pcaps/{name}.pcapng"
    document = analyze([Source(PROJECT / file)]).to_dict()
    return render(document, where={f"{name}.pcapng": file}, wanted=Wanted(full=False)).rstrip("\n")
