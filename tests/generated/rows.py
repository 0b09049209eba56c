"""docs/rows.md: the columns of a row, with the comments behind them in `capnet.wire.fields`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from capnet.wire import fields

HEAD = """# Rows: the columns of `capture.blocks()`

<!-- Made from the code by `python -m tests.generated`: do not edit. -->

`capnet.open_capture` yields blocks of rows. A row is a captured frame, or a frame inside a tunnel.
`block["ttl"]` is a column: an int64 array with a value for each row.

```python
import capnet

with capnet.open_capture("pcaps/overlay.pcapng") as capture:
    for block in capture.blocks():
        is_inside = block["depth"] > 0  # frames that a tunnel carries
        print(len(block), block["via_vni"][is_inside].max(), block["ttl"][is_inside].min())
```

- A field that a frame does not have is -1, but 0 if it is a counter or a bit set.
- What a tunnel carries is a row of its own: `outer` is the row of its carrier, `depth` one more.
- An address is two columns, the signed halves of the 128-bit IPv6 address. IPv4 a.b.c.d is ::ffff:a.b.c.d (RFC 4291).
  `capnet.wire.addresses.address_text(hi, lo)` makes text of it. A MAC is one column of 48 bits.
- A block is valid until the next one is asked for: copy what you keep.
"""


def rows_page() -> str:
    """The page: a table for each group of columns, then the bits of `layers` and the values of `reason`."""
    return HEAD + "".join(_tables(Path(fields.__file__).read_text(encoding="utf-8")))


def _tables(source: str) -> Iterator[str]:
    """Groups begin with a comment `# -- title ----`; the last two hold values, not columns."""
    for group in re.split(r"^# -- ", source, flags=re.MULTILINE)[1:]:
        title = group.partition("\n")[0].rstrip("- ")
        entries = re.findall(r"^([A-Z][A-Z0-9_]*) = (\d+)(?:  # (.*))?$", group, re.MULTILINE)
        entries = [entry for entry in entries if entry[0] not in ("WIDTH", "MAX_DEPTH")]
        if title in ("LAYERS", "REASON"):
            yield f"\n## Values of `{title.lower()}`\n\n| value | name | meaning |\n|---:|---|---|\n"
            yield from (f"| {value} | `{name}` | {_cell(meaning)} |\n" for name, value, meaning in entries)
            continue
        yield f"\n## {title[:1].upper()}{title[1:]}\n\n| column | meaning |\n|---|---|\n"
        for name, _, meaning in entries:
            assert meaning, f"{name} has no comment"
            yield f"| `{name.lower()}` | {_cell(meaning)} |\n"


def _cell(text: str) -> str:
    """Names of columns as they are asked for; -1 for ABSENT."""
    text = re.sub(r"\b(DETAIL|TUNNEL|LAYERS|REASON)\b", lambda match: f"`{match[0].lower()}`", text)
    return text.replace("ABSENT", "-1").replace("|", "\\|")
