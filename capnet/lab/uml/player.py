"""Inside User-Mode Linux: plays one scenario in the lab that is up there.

player NAME FILE.pcapng OPTIONS      the options of capnet.lab.play.play, as JSON
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from capnet import lab
from capnet.errors import CapnetError, Exit
from capnet.lab.play import play
from capnet.scenario.interrupts import Interruptible


def main(name: str, output: str, options: str) -> int:
    try:
        with Interruptible():
            play(lab.current(), name, output=Path(output), say=_say, **json.loads(options))
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
