"""python -m tests.generated: write the pages anew; look at the difference before committing it."""

from __future__ import annotations

from tests.generated import DOCS, pages

for name, make in pages().items():
    (DOCS / f"{name}.md").write_text(make(), encoding="utf-8")
