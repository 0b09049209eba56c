"""docs/python.md: the public names of the package, with their signatures and docstrings."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import capnet
from capnet.analysis.fact_tables import fact_list
from capnet.analysis.fact_tables.fact_list import FactList
from capnet.table.table import Table
from capnet.wire.block import Block
from capnet.wire.formats.reader import Capture, CaptureInterface, CaptureProblem

HEAD = """# Python

<!-- Made from the code by `python -m tests.generated`: do not edit. -->

What stands here is the public API. Everything else in the package may change.

```python
import capnet

report = capnet.analyze("pcaps/bridge.pcapng")
for nat in report.nat:
    print(nat.kind, nat.proto, nat.before.src, "→", nat.after.src)
print(capnet.render(report, "markdown").partition("\\n")[0])
```

- Times are ns since 1970 UTC, delays are microseconds, frame numbers are those of Wireshark.
- The attributes of a `Report` have the names of the [JSON report](report.md), and the same meaning.
- The columns of a block are in [Rows](rows.md).
- An error that a user can fix is a `CapnetError`; damage inside a file is a problem in the report, not an exception.
"""

_FUNCTIONS = ("analyze", "open_capture", "tables", "render")


def python_page() -> str:
    """The page: functions, the classes that they return, and the errors."""
    return "".join([HEAD, *map(_function, _FUNCTIONS), *_classes(), *_errors()])


def _function(name: str) -> str:
    return f"\n## {name}\n\n{_signature(f'capnet.{name}', getattr(capnet, name))}\n{_doc(getattr(capnet, name))}\n"


def _classes() -> Iterator[str]:
    yield f"\n## Report\n\n{_doc(capnet.Report, until='Its sections')}\n"
    yield from _members(capnet.Report, ("to_dict", "to_json"))
    tables = ", ".join(f"`{name}`" for name in fact_list.NAMES)
    yield f"\n### Facts\n\n{tables} of a report are lists that are tables too, with the columns of [Rows and flows as "
    yield "data](export.md#nat); those of conversations and protocols are named as in the JSON report. "
    yield "pyarrow, Polars and DuckDB read them as they are: `polars.DataFrame(report.nat)`.\n"
    yield from _members(FactList, ("__getitem__", "columns", "dtypes", "to_pandas", "to_arrow"))
    yield f"\n## Finding\n\n{_doc(capnet.Finding)} Its keys are in [Finding](report.md#finding).\n"
    yield f"\n## Source\n\n{_doc(capnet.Source)}\n\n"
    yield 'Attributes: `path`, `point_name`, `stream`, `later`: `capnet.Source(Path("one.pcap"), "A/ens33")`.\n'
    yield f"\n## Topology\n\n{_doc(capnet.Topology)} Its keys are in [Topology](topology.md).\n"
    yield from _members(capnet.Topology, ("load", "save", "names", "addresses"))
    yield f"\n## Capture\n\n`capnet.open_capture` returns it; a `with` statement closes it.\n\n{_doc(Capture)}\n"
    yield from _members(Capture, ("blocks", "frames", "records", "interfaces"))
    yield f"\n### Block\n\n{_doc(Block)}\n"
    yield "\n- `len(block)`: how many rows it has.\n"
    yield from _members(Block, ("__getitem__", "columns", "text", "dicts"))
    yield "\n### Table\n\n`capture.frames()` and `report.nat.table` are tables. Their columns are in "
    yield f"[Rows and flows as data](export.md).\n\n{_doc(Table)}\n"
    yield from _members(Table, ("__getitem__", "columns", "dtypes", "to_arrow", "to_pandas"))
    for kind in (CaptureInterface, CaptureProblem):
        yield f"\n### {kind.__name__}\n\n{_doc(kind)}\n\nAttributes: "
        yield ", ".join(f"`{name}`" for name in inspect.get_annotations(kind)) + ".\n"


def _errors() -> Iterator[str]:
    yield "\n## errors\n\n| error | when | exit code of the command |\n|---|---|---:|\n"
    for kind in vars(capnet.errors).values():
        if inspect.isclass(kind) and issubclass(kind, Exception):
            yield f"| `capnet.errors.{kind.__name__}` | {' '.join(_doc(kind).split())} | {int(kind.exit_code)} |\n"


def _members(kind: type, names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        member = inspect.getattr_static(kind, name)
        function = getattr(kind, name)
        if isinstance(member, property):
            yield f"\n- `{name}`: {_line(member)}\n"
        else:
            yield f"\n- `{name}{_parameters(function)}`: {_line(function)}\n"


def _signature(name: str, function: Any) -> str:
    parameters = ",\n".join(f"    {each}" for each in _parameters(function)[1:-1].split(", ") if each)
    parameters = parameters.replace("'", '"')
    return f"```python\n{name}(\n{parameters},\n)\n```\n" if parameters else f"```python\n{name}()\n```\n"


def _parameters(function: Any) -> str:
    """`(path, *, name=None)`: names and defaults; types are in the docstring and in the source."""
    signature = inspect.signature(function)
    bare = [each.replace(annotation=inspect.Parameter.empty) for each in signature.parameters.values()]
    if bare and bare[0].name in ("self", "cls"):
        bare = bare[1:]
    return str(signature.replace(parameters=bare, return_annotation=inspect.Signature.empty))


def _doc(thing: Any, until: str = "") -> str:
    text = inspect.getdoc(thing) or ""
    text = text.partition(f"\n\n{until}")[0] if until else text
    return re.sub(r"^ *(\w+) {2,}(?=\S)", r"- `\1`: ", text, flags=re.MULTILINE)  # lists of names with their meanings


def _line(thing: Any) -> str:
    return " ".join((inspect.getdoc(thing) or "").split())
