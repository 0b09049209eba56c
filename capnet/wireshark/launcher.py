"""The extcap program that Wireshark runs: a shell script that starts this Python with `-m capnet.extcap`.

It keeps the variables that say which Docker is meant: a Wireshark that is started from a menu has no shell's variables.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import capnet
from capnet.wireshark.sentences import DLTS, OPTIONS

NAME = "capnet"  # of the file; Wireshark runs every executable file of the folder

KEPT_VARIABLES = (
    *("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"),
    "CAPNET_LAB_DIR",
)

_HEAD = """#!/bin/sh
# Lists Docker hosts, containers and networks as interfaces of Wireshark, and captures at them: see extcap(4).
# Variables that were set when this was installed; those of Wireshark's own environment come first.
"""


def launcher(variables: Mapping[str, str]) -> str:
    """The script, for the Python that runs now. -P: a folder `capnet` in the current one is none of Wireshark's."""
    lines = [_variable(name, variables[name]) for name in KEPT_VARIABLES if variables.get(name)]
    root = Path(capnet.__file__).resolve().parent.parent
    if not _is_importable(root):
        lines.append(f"PYTHONPATH={shlex.quote(str(root))}${{PYTHONPATH:+:$PYTHONPATH}}; export PYTHONPATH\n")
    return f'{_HEAD}{_static_answers()}{"".join(lines)}exec {shlex.quote(sys.executable)} -P -m capnet.extcap "$@"\n'


def _static_answers() -> str:
    cases = [
        f"{question}) printf '%s\\n' {' '.join(map(shlex.quote, sentences))}; exit ;;\n"
        for question, sentences in (("--extcap-dlts", DLTS), ("--extcap-config", OPTIONS))
    ]
    return f"case $1 in\n{''.join(cases)}esac\n"


def _variable(name: str, value: str) -> str:
    return f'[ -n "${{{name}+set}}" ] || {{ {name}={shlex.quote(value)}; export {name}; }}\n'


def _is_importable(root: Path) -> bool:
    """Whether this Python finds capnet in `root` by itself, without PYTHONPATH."""
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    words = [sys.executable, "-P", "-c", "import capnet; print(capnet.__file__)"]
    done = subprocess.run(words, env=variables, capture_output=True, text=True, cwd="/", timeout=60)
    return done.returncode == 0 and Path(done.stdout.strip()).resolve().parent.parent == root
