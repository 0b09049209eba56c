"""Pages of docs/ that are made from the code, so that they cannot go stale.

A module NAME here has a function `NAME_page() -> str`, which makes docs/NAME.md; `_chinese` makes those of docs/zh. To
write all of them anew:

    python -m tests.generated
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from tests.conftest import PROJECT

DOCS = PROJECT / "docs"


def pages() -> dict[str, Callable[[], str]]:
    """Name of each page → the function that makes it."""
    from tests.generated._chinese import chinese_pages

    names = sorted(module.name for module in iter_modules([str(Path(__file__).parent)]))
    english = {
        name: getattr(import_module(f"{__name__}.{name}"), f"{name}_page")
        for name in names
        if not name.startswith(("_", "test_"))
    }
    return english | chinese_pages()
