"""A page of HTML as a whole: one file that needs nothing else, and a policy that allows nothing else.

The Content-Security-Policy allows the style sheet and the script of the page by their hashes. Without the script the
page shows all that it has; the script adds filters, sorting, copying and zooming.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path

from capnet import language
from capnet.report.network.svg import STYLE as NETWORK_STYLE
from capnet.report.page.markup import escape

_STYLE = Path(__file__).with_name("page.css")
_SCRIPT = Path(__file__).with_name("page.js")


def page(title: str, body: Sequence[str]) -> str:
    """The whole page. `body`: parts of HTML, of which empty ones are left out."""
    style = _STYLE.read_text(encoding="utf-8") + NETWORK_STYLE.read_text(encoding="utf-8")
    script = _SCRIPT.read_text(encoding="utf-8")
    policy = (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    return (
        f'<!DOCTYPE html>\n<html lang="{language.current()}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{escape(title)} – capnet</title>\n<style>{style}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(part for part in body if part)
        + f"\n</main>\n<script>{script}</script>\n</body>\n</html>\n"
    )


def _digest(text: str) -> str:
    return "sha256-" + b64encode(hashlib.sha256(text.encode()).digest()).decode()
