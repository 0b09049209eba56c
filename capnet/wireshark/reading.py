"""Whether Wireshark reads what is installed: the plugin's fields are known to tshark, the extcap program runs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from capnet.record.remote.shell import program_environment
from capnet.wireshark.program import Wireshark

_ANSWERS_WITHIN = 30.0  # seconds; the first start of a day reads much from the disk
_EMPTY_PCAP = bytes.fromhex("d4c3b2a1 0200 0400 00000000 00000000 00000400 01000000")


def why_plugin_is_not_read(wireshark: Wireshark, field: str) -> str | None:
    """Why the field of an installed Lua plugin is not known, None if it is; `wireshark` cannot be asked."""
    if Path(wireshark.program).name != "tshark":
        return None
    done = _run([wireshark.program, "-r", "-", "-T", "fields", "-e", field], _EMPTY_PCAP)
    if done is None or done.returncode == 0:
        return None
    if os.geteuid() == 0:  # 4.4 and 4.6
        return "this version runs no Lua plugins as root"
    return "Lua is switched off, or reports an error"


def offered_interfaces(launcher: Path) -> int | None:
    """How many interfaces the installed extcap program offers now; None if it cannot be run, as without its Python."""
    done = _run([str(launcher), "--extcap-interfaces"], b"")
    if done is None or done.returncode:
        return None
    return sum(line.startswith(b"interface ") for line in done.stdout.splitlines())


def _run(words: Sequence[str], standard_input: bytes) -> subprocess.CompletedProcess[bytes] | None:
    try:
        return subprocess.run(
            words, input=standard_input, capture_output=True, env=program_environment(), timeout=_ANSWERS_WITHIN
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
