"""The Python of docs/export.md runs as it stands: the first example without any library, the second with all."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.conftest import PROJECT

LIBRARIES = ("duckdb", "pandas", "polars", "pyarrow")
EXAMPLES = re.findall(r"```python\n(.*?)```", (PROJECT / "docs" / "export.md").read_text(encoding="utf-8"), re.DOTALL)


def run(example: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", example], cwd=PROJECT, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_first_example_needs_no_library() -> None:
    out = run("import sys\nsys.modules.update(dict.fromkeys(%r))\n%s" % (LIBRARIES, EXAMPLES[0]))  # noqa: UP031
    assert out.splitlines()[0] == "['kind', 'proto', 'before_src', 'before_sport'] 4"
    assert out.splitlines()[1].endswith("'findings', 'points'] ['flow', 'reply', 'file', 'point']")
    assert out.splitlines()[2] == "timestamp[ns, UTC] string"
    assert out.splitlines()[3] == "4 192.168.111.128 → 192.168.111.129"


def test_second_example_has_equal_counts() -> None:
    for library in LIBRARIES:
        pytest.importorskip(library, reason="heavy, and optional: pip install 'capnet[export,sql]' pandas polars")
    out = run(EXAMPLES[1])
    assert "snat" in out and "\n449\n" in out
    assert "(None, 387)" in out and "(4097, 62)" in out
