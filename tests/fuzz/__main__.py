"""Coverage-guided fuzzing with atheris (`pip install capnet[fuzz]`).

    python -m tests.fuzz frame|file|report [SECONDS]

Begins with the made captures and the corpus of regressions, mutates inputs that reach new code, and stops at the first
broken promise of `tests.fuzz.targets`. The input is then in the current folder as crash-…. Name it after its target and
move it to tests/fuzz/corpus, to make it a test.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["capnet"], enable_loader_override=False):
    from tests.fuzz.targets import CORPUS, LINKTYPES, TARGETS

from capnet.wire.capture import open_capture
from tests.conftest import MADE


def seeds(name: str, folder: Path) -> None:
    """Write the first inputs of the fuzzer to `folder`: whole files, or for `frame` the frames in them."""
    for path in MADE:
        if name != "frame":
            (folder / path.name).write_bytes(path.read_bytes())
            continue
        with open_capture(path, compiled=False) as capture:
            for record in capture.records():
                linktype = capture.interfaces[record.interface].linktype
                if linktype in LINKTYPES:
                    head = bytes([LINKTYPES.index(linktype), max(0, min(127, (record.wirelen - record.caplen) // 64))])
                    (folder / f"{path.name}-{record.number}").write_bytes(head + bytes(record.data))
    for path in CORPUS.glob(f"{name}-*"):
        (folder / path.name).write_bytes(path.read_bytes())


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(__doc__)
    name, seconds = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "600"
    folder = Path(tempfile.mkdtemp(prefix="capnet-fuzz-"))
    seeds(name, folder)
    longest = {"frame": 1600, "file": 4096, "report": 4096}[name]
    arguments = [sys.argv[0], str(folder), f"-max_total_time={seconds}", f"-max_len={longest}", "-timeout=20"]
    atheris.Setup([*arguments, "-rss_limit_mb=1500", "-print_final_stats=1", "-verbosity=1"], TARGETS[name])
    atheris.Fuzz()


main()
