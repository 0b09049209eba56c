"""`capnet compare`: what differs between a capture in which all goes well and one in which it does not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from capnet.cli import options
from capnet.errors import Exit, UsageError

if TYPE_CHECKING:
    from capnet.analysis.engine import Study

FORMATS = ("table", "json", "html")


@click.command("compare", short_help="What broke between two captures.")
@click.argument("good", metavar="GOOD")
@click.argument("bad", metavar="BAD")
@options.format_(FORMATS)
@options.output
def command(good: str, bad: str, format_: str | None, output: Path | None) -> int:
    """Compare two captures of the same network, GOOD before and BAD after something broke.

    Addresses are compared by their names, veths by their containers, bridges by their networks, flows by the service
    that is asked, because Docker gives new MACs, ports and names of veths and bridges each time. The first sentence
    says what broke. Then come findings, flows, routes, delays, translations, tunnels, models, ICMP errors and the
    kernel's rules that only one of the two has.
    GOOD and BAD are captures, or folders whose captures are one.

    \b
    capnet compare yesterday.pcapng today.pcapng
    capnet compare good/ bad/ --format json
    capnet compare good.pcapng bad.pcapng -o broke.html

    Exit codes: 0 nothing fails that did not before, 1 something does, 2 wrong usage, 3 unreadable input, or one
    without packets.
    """
    from capnet.cli.inputs import problems_of, tell_problems
    from capnet.cli.output import chosen_format, report_columns, show
    from capnet.report.comparison.differences import compare

    if good == bad == "-":
        raise UsageError("- (standard input) can be given once")
    format_ = chosen_format(format_, output, FORMATS)
    studies = [_study(side) for side in (good, bad)]
    first, second = (study.report.to_dict() for study in studies)
    comparison = compare(first, second, (studies[0].context.topology, studies[1].context.topology))
    if format_ == "json":
        from capnet.analysis.core.contract.json_text import json_text

        text = json_text(comparison)
    elif format_ == "html":
        from capnet.cli.page_inputs import beside
        from capnet.report.comparison.html import ComparedSide, wanted_frames
        from capnet.report.comparison.html import render as render_page

        sides = zip((first, second), studies, ((), wanted_frames(comparison, second)), strict=True)
        text = render_page(
            comparison, *(ComparedSide(document, beside(study, keys)) for document, study, keys in sides)
        )
    else:
        from capnet.report.comparison.text import render

        text = render(comparison, report_columns(output))
    show(text, output, is_paged=format_ == "table")
    for study in studies:
        tell_problems(problems_of(study.report.inputs))
    if comparison["findings"]["came"] or comparison["flows"]["broke"]:
        return Exit.FINDING
    return Exit.OK if all(comparison["packets"].values()) else Exit.UNREADABLE


def _study(given: str) -> Study:
    """The analysis of a capture, or of a folder's captures as one."""
    from capnet.analysis.engine import study
    from capnet.cli.inputs import named_sources

    return study(list(named_sources((given,))))
