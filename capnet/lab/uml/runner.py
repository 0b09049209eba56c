"""Inside User-Mode Linux: runs one scenario in the lab that is up there.

runner NAME FILE.pcapng OPTIONS     the options of lab.scenario_runner.run_scenario, as JSON
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from capnet.errors import CapnetError, Exit
from capnet.interrupts import Interruptible
from capnet.lab import lab
from capnet.lab.scenario_runner import run_scenario


def main(name: str, output: str, options: str) -> int:
    """Runs the scenario and returns its exit code."""
    try:
        with Interruptible():
            run_scenario(lab.current(), name, output=Path(output), say=_say, **json.loads(options))
    except CapnetError as error:
        _say(f"capnet: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    return Exit.OK


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
