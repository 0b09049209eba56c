"""A clue to a port that refuses: what listens in the namespace instead. More in `kernel/test_listening_servers.py`."""

from __future__ import annotations

import shutil
from pathlib import Path

from capnet.topology import topology_path
from tests.analysis.findings.reported import of_capture
from tests.conftest import PROJECT

NAME = "connection-refused"
RECORDED = "tests/analysis/facts/kernel/recorded/listens-elsewhere.pcapng"


def test_port_that_programs_listen_on_instead_is_told() -> None:
    (finding,) = of_capture(RECORDED, NAME)
    assert finding["says"].endswith("; nothing listens on it in A/web, where programs listen on 0.0.0.0:8000")
    assert "`-p 8080:8000` in place of `-p 8080:80`" in finding["fix"]


def test_kernel_that_was_not_asked_is_silent(tmp_path: Path) -> None:
    """The same capture without its witnesses."""
    capture = Path(shutil.copy(PROJECT / RECORDED, tmp_path))
    shutil.copy(topology_path(PROJECT / RECORDED), topology_path(capture))
    (finding,) = of_capture(str(capture), NAME)
    assert "listen" not in finding["says"] and "listens" not in finding["facts"]
