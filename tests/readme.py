"""The transcript of README.md and README.zh.md: the ladder of one flow of the bridge capture.

python -m tests.readme      # write it anew; look at the difference before committing it
"""

from __future__ import annotations

import re
from pathlib import Path

from click.testing import CliRunner

from capnet.cli import cli
from tests.conftest import PROJECT

README, CHINESE = PROJECT / "README.md", PROJECT / "README.zh.md"
LANGUAGES = {README: "en", CHINESE: "zh"}
CAPTURE = "pcaps/bridge.pcapng"

_PLACE = re.compile(r"(?<=<!-- transcript -->\n).*?(?=<!-- /transcript -->)", re.DOTALL)


def transcript(page: Path = README) -> str:
    """The command, the line about the direction there, and its ladder, in the language of the page."""
    language = LANGUAGES[page]
    shown = ["--lang", language, "trace", str(PROJECT / CAPTURE), "--flow", "port 8080"]
    result = CliRunner().invoke(cli, shown, catch_exceptions=False)
    there = next(part for part in result.output.split("\n\n") if part.startswith(("there: ", "去程：")))
    ladder = next(part for part in result.output.split("\n\n") if part.startswith("  ● "))
    option = " --lang zh" * (language == "zh")
    return f"```text\n$ capnet trace {CAPTURE} --flow 'port 8080'{option}\n{there}\n{ladder}\n```\n"


def stored(page: Path = README) -> str:
    """The transcript that a page has."""
    match = _PLACE.search(page.read_text(encoding="utf-8"))
    assert match, f"{page.name} has no place for a transcript"
    return match[0]


def commands(page: Path) -> list[str]:
    """The commands of the blocks of shell, without their comments."""
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    lines = (line.partition("  #")[0].partition("   #")[0].strip() for block in blocks for line in block.split("\n"))
    return [line for line in lines if line]


if __name__ == "__main__":
    for page in LANGUAGES:
        text = page.read_text(encoding="utf-8")
        page.write_text(_PLACE.sub(lambda _, page=page: transcript(page), text), encoding="utf-8")
