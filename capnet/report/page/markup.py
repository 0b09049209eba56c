"""The smallest parts of a page: escaped text, code, links."""

from __future__ import annotations

import html
import re


def escape(value: object) -> str:
    """Any value as text of HTML, SVG or an attribute in double quotes."""
    return html.escape(str(value), quote=True)


def code(value: str, copy: bool = False) -> str:
    """Text to be typed elsewhere; `copy`: the script puts a button beside it."""
    return f"<code{' class=' + chr(34) + 'copy' + chr(34) if copy else ''}>{escape(value)}</code>"


def prose(value: str) -> str:
    """Text in which `words between backticks` are code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(value))


def link(anchor: str, text: str) -> str:
    """A link to an element of this page."""
    return f'<a href="#{escape(anchor)}">{escape(text)}</a>'


def labelled(text: str) -> str:
    """`Fix: …` with the label in bold; empty of nothing."""
    separator = "：" if "：" in text.partition(": ")[0] else ":"
    label, _, rest = text.partition("：" if separator == "：" else ": ")
    return f"<p><b>{escape(label)}{separator}</b> {prose(rest)}</p>" if text else ""
