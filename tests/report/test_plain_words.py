"""Words that puzzled readers are in no output: reports in every format, sentences in JSON, help texts, manual pages."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import click
import pytest

from capnet.analysis.findings import finding_modules
from capnet.cli import cli
from capnet.report.formats import FORMATS, load
from capnet.report.wanted import Wanted
from tests.report.golden_documents import document

GOLDENS = sorted(Path("pcaps").rglob("*.pcapng"))
MODELS = sorted(Path("pcaps").glob("*.pcapng"))

PUZZLING = {
    "sure": r"\bsure\b",
    "because": r"^\s*because  ",
    "before, below it after": r"before, below it after",
    "it forwards": r"\bit forwards\b|own or that were routed",
    "snat": r"(── |· )(snat|dnat)\b|^  (snat|dnat) ",
    "left to a card": r"left to a network card",
    "nothing to fix": r"nothing to fix",
    "heard": r"\bheard\b|\blisten at\b",
    "unchanged": r"talk to each other unchanged|points, unchanged\b",
    "nothing was lost": r"Nothing was lost",
    "named as saying": r"is named as saying",
    "the underlay's less": r"underlay's less",
    "two wanted the same": r"two wanted the same",
    "octets": r"\d octets\b",
    "look for the hop": r"look for the hop|\(PATHS\)",
    "no such name": r"answered 'no such name'",
    "+0 between points": r"\+\d+ ns\b|\+0\b(?! /)",
    "Docker calls": r"Docker calls",
    "a flood or clients": r"they are a scan, a flood",
    "number without its name": r"LINKTYPE_230|\(ip-2\)",
    "whole or not at all": r"whole or not at all",
    "so many": r"[Ss]o many (flows|bytes|million)|How many to read|one a processor",
    "nobody": r"\b([Nn]obody|[Ss]omebody|[Ww]hoever)\b",
}
VALUES = ("name", "kind", "model", "weights", "flow", "change", "method", "facts")  # keys of the JSON contract


def puzzling(text: str) -> list[str]:
    """The line of the first place of each puzzling word."""
    places = ((word, re.search(pattern, text, re.MULTILINE)) for word, pattern in PUZZLING.items())
    return [f"{word}: {text[max(0, match.start() - 60) : match.end() + 40]!r}" for word, match in places if match]


def sentences(value: Any, key: str = "") -> Iterator[str]:
    """Strings of a document that are sentences."""
    if isinstance(value, str):
        yield from [value] * (" " in value and key not in VALUES)
    elif isinstance(value, dict):
        for inner, below in value.items():
            yield from sentences(below, inner) if inner not in VALUES else ()
    elif isinstance(value, list):
        for below in value:
            yield from sentences(below, key)


@cache
def commands() -> list[click.Command]:
    """Every command, nested ones too."""
    listed: list[click.Command] = [cli]
    for command in listed:
        if isinstance(command, click.Group):
            context = click.Context(command)
            listed += [sub for name in command.list_commands(context) if (sub := command.get_command(context, name))]
    return listed


@pytest.mark.parametrize("path", GOLDENS, ids=str)
def test_sentences_of_json_are_plain(path: Path) -> None:
    assert puzzling("\n".join(sentences(document(path)))) == []


@pytest.mark.parametrize("path", MODELS, ids=str)
def test_reports_of_every_format_are_plain(path: Path) -> None:
    pages = [
        load(name).render(document(path), 100, {}, Wanted(full=is_full))
        for name in FORMATS
        if name != "json"
        for is_full in (False, True)
    ]
    assert puzzling("\n".join(pages)) == []


def test_help_texts_are_plain() -> None:
    for command in commands():
        texts = [
            command.get_help(click.Context(command)),
            *(getattr(each, "help", "") or "" for each in command.params),
        ]
        assert puzzling("\n".join(texts)) == [], command.name


def test_manual_pages_of_findings_are_plain() -> None:
    for module in finding_modules():
        assert puzzling(inspect.getdoc(module) or "") == [], module.NAME
