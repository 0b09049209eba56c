"""The README's transcripts: the beginning of what capnet says about a golden capture of each network model.

python -m tests.readme          # write them anew; look at the difference before committing it
"""

from __future__ import annotations

import re

from capnet.analysis.engine import Source, analyze
from capnet.report.document import document
from capnet.report.formats.table import render
from tests.conftest import PROJECT

README = PROJECT / "README.md"
TOLD = (  # a network model each, as in the article, and the one of services
    *("none", "host", "bridge", "container", "overlay", "overlay-service", "macvlan", "ipvlan-l2", "ipvlan-l3"),
)

_PLACE = re.compile(r"(?<=<!-- transcripts -->\n).*?(?=<!-- /transcripts -->)", re.DOTALL)


def transcripts() -> str:
    """One block per capture: the command, the line of what was read, and the sentences."""
    told = []
    for name in TOLD:
        said = render(document(analyze([Source(PROJECT / "pcaps" / f"{name}.pcapng")])))
        head, sentences, *_ = said.split("\n\n")
        told.append(f"```text\n$ capnet analyze pcaps/{name}.pcapng\n{head}\n\n{sentences}\n```\n")
    return "\n".join(told)


def stored() -> str:
    found = _PLACE.search(README.read_text(encoding="utf-8"))
    assert found, "README.md has no place for transcripts"
    return found[0]


if __name__ == "__main__":
    README.write_text(_PLACE.sub(lambda _: transcripts(), README.read_text(encoding="utf-8")), encoding="utf-8")
