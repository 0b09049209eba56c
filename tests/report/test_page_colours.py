"""The page's colours: text can be read on every ground, in light and in dark (WCAG 2.1, success criterion 1.4.3)."""

from __future__ import annotations

import re

import pytest

from tests.conftest import PROJECT

STYLE = (PROJECT / "capnet" / "report" / "page" / "page.css").read_text(encoding="utf-8")
SCHEMES = [
    dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", block)) for block in re.findall(r":root {(.*?)}", STYLE, re.DOTALL)
]
TEXTS = ("ink", "soft", "accent", "nat", "routed", "tunnel", "plain", "bad", "warn", "good")
GROUNDS = ("page", "card", "code", "band")
MIN_CONTRAST = 4.5  # of text below 18 points


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb, as WCAG defines it."""
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(first: str, second: str) -> float:
    darker, lighter = sorted((luminance(first), luminance(second)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("colours", SCHEMES[:2], ids=["light", "dark"])
def test_text_can_be_read_on_every_ground(colours: dict[str, str]) -> None:
    pairs = {(text, ground): contrast(colours[text], colours[ground]) for text in TEXTS for ground in GROUNDS}
    assert {pair: round(value, 2) for pair, value in pairs.items() if value < MIN_CONTRAST} == {}
