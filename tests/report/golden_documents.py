"""The reports on stored captures, analyzed once for all tests of a process: tests must not change them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from capnet import chinese, language
from capnet.analysis.core.contract.report import Report
from capnet.analysis.engine import analyze


@cache
def report(path: Path) -> Report:
    """The report on one capture."""
    with language.used("en"):
        return analyze(path)


@cache
def document(path: Path) -> dict[str, Any]:
    """The document of the report on one capture."""
    with language.used("en"):
        return report(path).to_dict()


@cache
def chinese_document(path: Path) -> dict[str, Any]:
    """The same in Chinese; KeyError if a term of it has no Chinese."""
    lenient = language.term
    language.term = strict_term
    try:
        with language.used("zh"):
            return analyze(path).to_dict()
    finally:
        language.term = lenient


def strict_term(english: str) -> str:
    """The Chinese of a term, which must have some.

    Modules that are imported while it stands for `language.term` keep it: in English it changes nothing.
    """
    return chinese.TERMS[english] if english and language.is_chinese() else english
