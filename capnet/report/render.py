"""A report as text, in any of the formats of `capnet.report.formats`."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from capnet.analysis.core.contract.report import Report
from capnet.report import formats


def render(report: Report, format: str = "table") -> str:
    """The report as text. `format`: `table`, `json`, `html` or another module of `capnet.report.formats`.

    Raises ValueError for a format that there is not.
    """
    names = sorted(module.name for module in iter_modules(formats.__path__))
    if format not in names:
        raise ValueError(f"there is no report format {format!r}; choose from {', '.join(names)}")
    text: str = import_module(f"{formats.__name__}.{format}").render(report.to_dict())
    return text
