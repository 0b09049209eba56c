"""docs/scenarios.md: what each scenario builds and sends, and what capnet says of its stored capture."""

from __future__ import annotations

from capnet.analysis.core.sources import Source
from capnet.analysis.engine import analyze
from capnet.report.formats.table import render
from capnet.scenario import library
from tests.conftest import PROJECT

HEAD = """# Scenarios

Made by `python -m tests.generated`: do not edit.
The descriptions are those of the files in [scenarios/](../scenarios).
The reports are the first sentences of `capnet analyze` on the stored capture of each, in [pcaps/](../pcaps/README.md).

To play one: `sudo capnet scenario NAME --lab`.
It builds the network on two Docker hosts made on this machine and sends through it.
It captures at every point and prints the report.
Then it checks that its packets show what the scenario claims.
If they do not, it names the claim, keeps the capture and exits with code 1.
"""


def scenarios_page() -> str:
    """The page, a section for each scenario in order of name."""
    return HEAD + "".join(_section(name) for name in library.files())


def _section(name: str) -> str:
    title, _, body = (library.load(name).__doc__ or "").strip().partition("\n\n")
    return (
        f"\n## {name}\n\n{title.partition(': ')[2]}.\n\n```text\n{body}\n```\n\n"
        f"```text\n$ capnet analyze pcaps/{name}.pcapng\n{transcript(name)}\n```\n"
    )


def transcript(name: str) -> str:
    """The title and the sentences of the report on a stored capture."""
    text = render(analyze([Source(PROJECT / "pcaps" / f"{name}.pcapng")]).to_dict())
    title, sentences, *_ = text.split("\n\n")
    return f"{title}\n\n{sentences}"
