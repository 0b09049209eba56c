"""What a shell may complete an argument to: files, findings, lessons, names of containers and points."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import click
    from click.shell_completion import CompletionItem


def files(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The shell's own completion of files, also behind NAME=."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete.rpartition("=")[2], type="file")]


def findings(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Names of findings."""
    from capnet.analysis.findings import finding_modules

    return [module.NAME for module in finding_modules() if module.NAME.startswith(incomplete)]


def explained(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Names of findings, of network models and of faults."""
    from capnet.report.models.pages import MODEL_PAGES
    from capnet.scenario.faults import library

    others = [name for name in (*MODEL_PAGES, *library.files()) if name.startswith(incomplete)]
    return sorted({*findings(context, parameter, incomplete), *others})


def lessons(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Names of lessons."""
    from capnet.learn.lessons import NAMES

    return [name for name in NAMES if name.startswith(incomplete)]


def containers(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Names of containers, by the topologies beside the files."""
    return _names(context, "containers", incomplete)


def points(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Names of points, by the topologies beside the files."""
    return _names(context, "points", incomplete)


def _names(context: click.Context, key: str, incomplete: str) -> list[str]:
    names: set[str] = set()
    # An option without its value yet leaves the files among the arguments that were not parsed.
    for file in (*(context.params.get("files") or ()), *context.args):
        path = Path(str(file))
        try:
            rows: list[dict[str, Any]] = json.loads(path.with_suffix(".topology.json").read_text(encoding="utf-8"))[key]
            names |= {str(row["name"]) for row in rows}
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return sorted(name for name in names if name.startswith(incomplete) and name.isprintable())
