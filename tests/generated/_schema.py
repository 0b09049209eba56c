"""capnet/report/schema.json: the part that follows from the code, the names of the kinds of tunnels."""

from __future__ import annotations

import json
import re

from capnet.wire.protocols import TUNNEL_KINDS
from tests.conftest import PROJECT

SCHEMA_FILE = PROJECT / "capnet" / "report" / "schema.json"
_KINDS = re.compile(r'("tunnelKind": \{"enum": )\[[^]]*\]')


def schema_text() -> str:
    """The file as it should be."""
    names = json.dumps([kind.name for kind in TUNNEL_KINDS])
    text, replaced = _KINDS.subn(lambda match: match[1] + names, SCHEMA_FILE.read_text(encoding="utf-8"))
    assert replaced == 1
    return text
