"""Reports in Chinese: every statement has both languages, nothing English is left, and facts stay the same."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any

import pytest

from capnet import chinese, language
from capnet.report.formats import load
from capnet.report.page.supplement import Supplement
from capnet.report.text import columns
from capnet.report.wanted import Wanted
from capnet.topology import Topology, topology_path
from capnet.wire.icmp_names import icmp_error_name
from tests.report.golden_documents import chinese_document, document, strict_term

GOLDENS = sorted(Path("pcaps").rglob("*.pcapng"))
SENTENCES = ("says", "fix", "because", "verify")  # keys of the document whose values are sentences
GRAMMAR = {"verb", "each", "apiece", "units"}  # values that English needs for its grammar, and Chinese does not
ENGLISH = re.compile(r"\b(?!icmp|capnet)[a-z]{3,} [a-z]{2,} [a-z]{2,}\b")
ICMP_NAMES = "|".join(icmp_error_name(False, kind, code) for kind in (3, 5, 11) for code in range(16))
CODE = re.compile(
    rf"{ICMP_NAMES}|`[^`]*`|<code[^>]*>.*?</code>|<style>.*?</style>|<script>.*?</script>|<pre.*?</pre>|<[^>]*>|“[^”]*”",
    re.DOTALL,
)


@cache
def texts() -> list[tuple[str, str, str]]:
    """(place, English, Chinese) of every `Text(en=…, zh=…)` in the code."""
    return list(_texts())


def _texts() -> Iterator[tuple[str, str, str]]:
    for path in sorted(Path("capnet").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Text":
                values = {each.arg: each.value for each in node.keywords}
                if set(values) == {"en", "zh"}:
                    yield f"{path}:{node.lineno}", *(constant(values[key]) for key in ("en", "zh"))


def constant(node: ast.expr) -> str:
    """The text, without names of constants that it is put together with."""
    parts = (part.value for part in ast.walk(node) if isinstance(part, ast.Constant))
    return "".join(part for part in parts if isinstance(part, str))


def values(text: str) -> set[str]:
    return {field for _, field, _, _ in Formatter().parse(text) if field}


def test_every_text_has_both_languages() -> None:
    assert len(texts()) > 600
    assert [place for place, english, chinese_text in texts() if not english or not chinese_text] == []


def test_both_languages_have_the_same_values() -> None:
    assert [
        (place, english)
        for place, english, chinese_text in texts()
        if values(chinese_text) - values(english) or values(english) - values(chinese_text) - GRAMMAR
    ] == []


def test_chinese_has_full_width_marks() -> None:
    """No half-width comma or colon behind a Chinese character, outside of commands."""
    wrong = re.compile(r"[\u4e00-\u9fff][,;:?!()]")
    assert [(place, zh) for place, _, zh in texts() if wrong.search(CODE.sub("", zh))] == []


@pytest.mark.by_turns
@pytest.mark.parametrize("path", GOLDENS, ids=str)
def test_facts_are_the_same_in_both_languages(path: Path) -> None:
    assert without_sentences(chinese_document(path)) == without_sentences(document(path))


def without_sentences(value: Any) -> Any:
    """A document without the values that are sentences; reasons of the kernel are sentences among facts."""
    if isinstance(value, dict):
        return {key: without_sentences(below) for key, below in value.items() if key not in (*SENTENCES, "kernel")}
    return [without_sentences(below) for below in value] if isinstance(value, list) else value


@pytest.mark.by_turns
@pytest.mark.parametrize("path", GOLDENS, ids=str)
def test_reports_in_chinese_have_no_english_left(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three words in a row are English, but for commands, names of fields and what ICMP errors are called."""
    monkeypatch.setattr(language, "term", strict_term)
    with language.used("zh"):
        for name in ("table", "markdown", "html"):
            page = load(name).render(chinese_document(path), 100, {}, Wanted())
            assert ENGLISH.findall(CODE.sub("|", page.replace("\n", " "))) == []
            assert all(columns(line) <= 100 for line in page.split("\n")) or name != "table"


@pytest.mark.by_turns
@pytest.mark.parametrize("path", GOLDENS, ids=str)
def test_pages_in_chinese_have_no_english_left(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for what capnet decoded of a frame, and what Docker and interfaces are called."""
    monkeypatch.setattr(language, "term", strict_term)
    beside = Supplement(topology=Topology.load(topology_path(path)))
    with language.used("zh"):
        page = load("html").render(chinese_document(path), beside=beside)  # type: ignore[call-arg]
    assert '<html lang="zh">' in page
    page = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    assert ENGLISH.findall(CODE.sub("|", page.replace("\n", " "))) == []


def test_tables_in_chinese_name_states_and_columns() -> None:
    """A column below its row has a full-width colon; the state of a conversation is a word of the JSON, translated."""
    with language.used("zh"):
        text = load("table").render(document(Path("pcaps/overlay-service.pcapng")), 100, {}, Wanted())
    assert "      位置：A/ens33 及另外 1 处" in text.splitlines()
    assert " 已关闭 " in text and " closed " not in text


def test_counted_things_have_measure_words() -> None:
    """Every noun that `count` and `plural` are called with in the code."""
    nouns = set()
    for path in Path("capnet/report").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("count", "plural"):
                nouns |= {part.value for part in node.args[1:2] if isinstance(part, ast.Constant)}
    assert [noun for noun in nouns if chinese.counted(noun).isascii()] == []


@pytest.mark.parametrize("path", GOLDENS, ids=lambda path: path.stem)
def test_drawing_in_chinese_breaks_at_points_only(path: Path) -> None:
    """No arrow is cut in two by the end of a line."""
    with language.used("zh"):
        lines = load("table").render(document(path), 100, wanted=Wanted(full=False)).splitlines()
    assert [line for line in lines if re.search("[─▶]", re.sub("─([^─▶]*─)?▶", "", line))] == []
