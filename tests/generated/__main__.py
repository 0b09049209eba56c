"""python -m tests.generated: write pages, schemas and transcripts anew; look at the difference before committing it."""

from __future__ import annotations

from tests.docs import transcripts
from tests.generated import DOCS, pages, topology, witnesses
from tests.generated._man import MAN_FOLDER, man_pages
from tests.generated._schema import SCHEMA_FILE, schema_text

for name, make in pages().items():
    (DOCS / f"{name}.md").write_text(make(), encoding="utf-8")
for file in MAN_FOLDER.glob("*.1"):
    file.unlink()
MAN_FOLDER.mkdir(exist_ok=True)
for name, text in man_pages().items():
    (MAN_FOLDER / name).write_text(text, encoding="utf-8")
SCHEMA_FILE.write_text(schema_text(), encoding="utf-8")
topology.SCHEMA_FILE.write_text(topology.schema_text(), encoding="utf-8")
witnesses.SCHEMA_FILE.write_text(witnesses.schema_text(), encoding="utf-8")
transcripts.write()
