"""Whether User-Mode Linux can run on this machine's processor.

Method: before Linux 6.13 it saves the registers of a process in a buffer of fixed size (FP_SIZE, arch/x86/um).
AMX makes what ptrace(2) exchanges (PTRACE_SETREGSET, NT_X86_XSTATE) larger than that. The call fails with EFAULT, and
the kernel panics at its first process.

Limits: only this cause is recognised.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from capnet.lab import requirements

REASON = "User-Mode Linux cannot run on this processor: its kernel (before Linux 6.13) cannot save the AMX registers"
LACK = f"{REASON}; use a machine without AMX, or one whose own kernel has what is needed (--kernel native)"

_FIRST_UML_WITH_ROOM = (6, 13)  # its buffer is as large as ptrace(2) says
_FIRST_KERNEL_WITH_AMX = (5, 16)  # older kernels may name the flag, but keep AMX off
_PANIC = "ptrace set fp regs failed, errno = 14"  # 14: EFAULT


def lack() -> str | None:
    """LACK if User-Mode Linux surely cannot run on this machine; nothing is booted."""
    try:
        cpuinfo = Path("/proc/cpuinfo").read_text()
    except OSError:
        return None
    return lack_by_flags(cpuinfo, os.uname().release, uml_version()) if "amx_tile" in cpuinfo else None


def lack_by_flags(cpuinfo: str, release: str, uml_version: str) -> str | None:
    """LACK if /proc/cpuinfo, this machine's kernel and the version of User-Mode Linux say so."""
    flags = re.search(r"^flags\s*:(.*)$", cpuinfo, re.MULTILINE)
    if not flags or "amx_tile" not in flags.group(1).split():
        return None
    this, uml = _version(release), _version(uml_version)
    if not this or not uml or this < _FIRST_KERNEL_WITH_AMX or uml >= _FIRST_UML_WITH_ROOM:
        return None
    return LACK


def lack_by_console(console: str) -> str | None:
    """LACK if what the kernel printed has the panic."""
    return LACK if _PANIC in console else None


def uml_version() -> str:
    """What `linux.uml --version` prints; empty where it does not run."""
    program = requirements.find("linux.uml")
    if program is None:
        return ""
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


def _version(text: str) -> tuple[int, int] | None:
    match = re.match(r"(\d+)\.(\d+)", text)
    return (int(match.group(1)), int(match.group(2))) if match else None
