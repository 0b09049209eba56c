"""capnet with the scenarios of tests/live/scenarios: python -m tests.live.chatter scenario chatter --lab"""

from __future__ import annotations

from pathlib import Path

from capnet import cli
from capnet.scenario import library

if __name__ == "__main__":
    library.FOLDERS = (Path(__file__).parent / "scenarios",)
    cli.main()
