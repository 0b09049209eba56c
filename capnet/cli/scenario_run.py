"""`capnet scenario NAME`: run a scenario, report what was captured, and check its packets."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import Any

import click

from capnet.cli.options import buffer_option
from capnet.cli.scenario_help import ScenarioCommand, title
from capnet.cli.scenario_hosts import (
    check_kernel,
    hosts_options,
    kernel_option,
    open_hosts,
    say,
    tell_settings,
    the_lab,
)

_OPTIONS = (
    hosts_options,
    click.option(
        "--capture",
        metavar="IFACE",
        multiple=True,
        help="Capture only at this interface of every host, such as ens33 (repeatable). "
        "Default: all of the scenario's points.",
    ),
    click.option(
        "--image", default="busybox", show_default=True, help="Image of the containers; must have busybox's tools."
    ),
    click.option(
        "--keep", is_flag=True, help="Leave containers and networks in place; `capnet scenario clean` removes them."
    ),
    click.option(
        "--why", is_flag=True, help="Ask the kernels which rule decides about each packet, and why they drop it."
    ),
    buffer_option,
    click.option(
        "-o",
        "--output",
        metavar="DIR|FILE.pcapng",
        type=click.Path(path_type=Path),
        default=Path("captures"),
        show_default=True,
        help="Where the capture goes; its topology is written beside it.",
    ),
    kernel_option,
)


def run_command(name: str, path: Path) -> click.Command:
    """The command that runs the scenario `name`, whose file is `path`."""

    def run(**options: Any) -> None:
        _run(name, **options)

    for option in reversed(_OPTIONS):
        run = option(run)
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return click.command(name, cls=ScenarioCommand, help=docstring, short_help=title(name, path))(run)


def check(name: str, path: Path, *, whole: bool) -> None:
    """Says that the packets pass all checks; else raises ScenarioFailed, naming each that failed. The capture stays."""
    from capnet.errors import ScenarioFailed
    from capnet.scenario import library
    from capnet.scenario.checks import checks

    results = checks.verify(library.load(name), path, whole=whole)
    if failed := [result for result in results if result.passed is False]:
        lines = "".join(f"\n  expected: {result.claim}; {result.difference}" for result in failed)
        raise ScenarioFailed(f"{name}: its packets do not show what it claims (see {path}):{lines}")
    passed = sum(result.passed is True for result in results)
    left_out = [result.claim for result in results if result.passed is None]
    say(f"all {passed} expectations are met" + (f"; {len(left_out)} could not be checked here:" if left_out else ""))
    for claim in left_out:
        say(f"  left out: {claim}")


def _run(
    name: str,
    lab: bool,
    host: str | None,
    peer: str | None,
    capture: tuple[str, ...],
    image: str,
    keep: bool,
    why: bool,
    buffer_mib: int,
    output: Path,
    kernel: str,
) -> None:
    from capnet.errors import UsageError
    from capnet.scenario import library
    from capnet.scenario.runner import bundle_path

    bundle_path(output, name)  # a place that cannot be written is an error now, not after the scenario has run
    options: dict[str, Any] = {
        "output": output,
        "capture": capture,
        "image": image,
        "keep": keep,
        "why": why,
        "buffer_mib": buffer_mib,
        "say": say,
    }
    if lab:
        from capnet.lab import scenario_runner

        with the_lab(host, peer, kernel, library.kernel_needs(name), keep=keep) as running_lab:
            written = scenario_runner.run_scenario(running_lab, name, **options)
        whole = not capture
    else:
        from capnet.scenario import runner

        if kernel != "auto":
            raise UsageError("--kernel is about the lab: use it with --lab")
        if library.load(name).NEEDS_PEER and not peer:
            raise library.second_host_missing(name)
        with open_hosts(lab, host, peer) as hosts:
            check_kernel(name, hosts[0])
            tell_settings(name)
            written = runner.run_scenario(name, hosts, **options)
            whole = not capture and all(host.shell for host in hosts)
    report(written)
    check(name, written, whole=whole)


def report(path: Path) -> None:
    """Prints the report, and last the path of the capture."""
    from capnet.analysis.engine import analyze
    from capnet.cli.output import emit, report_columns
    from capnet.report.formats.table import render

    document = analyze([path]).to_dict()
    paths = {source["file"]: str(path) for source in document["inputs"]}
    if sys.stdout is not None:  # with stdout closed, the exit code still tells the outcome
        emit(f"{render(document, report_columns(), paths)}{path}\n")
