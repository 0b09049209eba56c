"""Shows a long text in a pager, as git does: on a terminal only, and only if it is longer than the screen."""

from __future__ import annotations

import os
import sys

DEFAULT = "less"
LESS = "FRX"  # quit if it fits, pass colours, leave the text on the screen: what git sets


def show(text: str) -> bool:
    """Has a pager shown the text? Not without a terminal, on a short text, or without a pager that runs.

    The pager is CAPNET_PAGER, else PAGER, else less; an empty one and `cat` mean none.
    """
    if sys.stdout is None or not sys.stdout.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        return False
    from shutil import get_terminal_size

    if text.count("\n") < get_terminal_size().lines:
        return False
    command = os.environ.get("CAPNET_PAGER", os.environ.get("PAGER", DEFAULT)).strip()
    return command not in ("", "cat") and _shown_by(command, text)


def _shown_by(command: str, text: str) -> bool:
    import signal
    import subprocess

    environment = {"LESS": LESS, "LESSCHARSET": "utf-8", **os.environ}
    sys.stdout.flush()
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the pager
    try:
        done = subprocess.run(command, shell=True, input=text.encode(), env=environment, check=False)
    except OSError:
        return False
    finally:
        signal.signal(signal.SIGINT, before)
    return done.returncode not in (126, 127)  # the shell could not run it
