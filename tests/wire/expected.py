"""What tshark says about every golden and made capture, and about suggested filters; for machines without tshark.

python -m tests.wire.expected [NAME...]   # write it anew; look at the difference before committing it
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path

from tests.conftest import GOLDENS, MADE
from tests.tshark import Row, tshark_rows, tshark_version
from tests.wire import tunnel_filters

VXLAN_PORTS = ("7777",)  # of vxlan_any_port.pcap, by construction
FOLDER = Path(__file__).parent / "expected"


def stored(capture: Path) -> tuple[str, list[Row]]:
    """(tshark's version, its rows) for a capture."""
    path = FOLDER / f"{capture.name}.json.gz"
    assert path.is_file(), f"run, with tshark installed: python -m tests.wire.expected {capture.name.partition('.')[0]}"
    with gzip.open(path, "rt", encoding="utf-8") as file:
        whole = json.load(file)
    return whole["tshark"], whole["rows"]


def store(capture: Path) -> None:
    text = json.dumps({"tshark": tshark_version(), "rows": tshark_rows(capture, VXLAN_PORTS)}, indent=0, sort_keys=True)
    # No name and no time in the gzip header: the same rows are the same file.
    (FOLDER / f"{capture.name}.json.gz").write_bytes(gzip.compress(text.encode(), mtime=0))


if __name__ == "__main__":
    for capture in [*GOLDENS, *MADE]:
        if len(sys.argv) == 1 or capture.name.partition(".")[0] in sys.argv[1:]:
            store(capture)
    tunnel_filters.store()
