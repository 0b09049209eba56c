"""The README's transcript: the ladder of one flow of the bridge capture.

python -m tests.readme      # write it anew; look at the difference before committing it
"""

from __future__ import annotations

import re

from click.testing import CliRunner

from capnet.cli import cli
from tests.conftest import PROJECT

README = PROJECT / "README.md"
CAPTURE = "pcaps/bridge.pcapng"

_PLACE = re.compile(r"(?<=<!-- transcript -->\n).*?(?=<!-- /transcript -->)", re.DOTALL)


def transcript() -> str:
    """The command, the line about the direction there, and its ladder."""
    shown = ["trace", CAPTURE, "--flow", "port 8080"]
    result = CliRunner().invoke(cli, [*shown[:1], str(PROJECT / CAPTURE), *shown[2:]], catch_exceptions=False)
    there = next(part for part in result.output.split("\n\n") if part.startswith("there: "))
    ladder = next(part for part in result.output.split("\n\n") if part.startswith("  ● "))
    return f"```text\n$ capnet trace {CAPTURE} --flow 'port 8080'\n{there}\n{ladder}\n```\n"


def stored() -> str:
    """The transcript that README.md has."""
    match = _PLACE.search(README.read_text(encoding="utf-8"))
    assert match, "README.md has no place for a transcript"
    return match[0]


if __name__ == "__main__":
    README.write_text(_PLACE.sub(lambda _: transcript(), README.read_text(encoding="utf-8")), encoding="utf-8")
