"""What is wrong with a capture filter, in libpcap's words; Wireshark paints the field red."""

from __future__ import annotations

import subprocess
from shutil import which

from capnet.record.remote.shell import program_environment, search_path

_ANSWERS_WITHIN = 5.0  # seconds; a filter of host names asks a name server


def complaint(capture_filter: str) -> list[str]:
    """One line if the filter is none of pcap-filter(7), else nothing; nothing where no tcpdump can tell."""
    tcpdump = which("tcpdump", path=search_path())
    if tcpdump is None:
        return []
    words = [tcpdump, "-d", "-y", "EN10MB", "--", capture_filter]
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            env=program_environment(), timeout=_ANSWERS_WITHIN,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return []
    if done.returncode == 0:
        return []
    lines = [line for line in done.stderr.splitlines() if line and not line.startswith("Warning")]
    return [lines[-1].removeprefix("tcpdump: ") if lines else "this is no filter of pcap-filter(7)"]
