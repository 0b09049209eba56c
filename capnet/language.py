"""The language of sentences: English or Chinese. Identifiers, names of findings and keys of JSON are the same in both.

A `Text` holds one statement in both languages, side by side. `term` translates a heading or a single word by the table
`capnet.chinese`, which is loaded only for Chinese.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

LANGUAGES = ("en", "zh")
_VARIABLES = ("CAPNET_LANG", "LC_ALL", "LC_MESSAGES", "LANG")  # the first that is set decides

_current = "en"
_is_asked_for = False


def use(language: str, is_asked_for: bool = False) -> None:
    """Sentences are in this language from now on. `is_asked_for`: by an option, so that it holds for JSON too."""
    global _current, _is_asked_for
    _current, _is_asked_for = language, is_asked_for


def use_for_programs() -> None:
    """What follows is read by programs: English, unless another language was asked for by an option."""
    if not _is_asked_for:
        use("en")


@contextmanager
def used(language: str) -> Iterator[None]:
    """Sentences are in this language within the block."""
    before = _current, _is_asked_for
    use(language)
    try:
        yield
    finally:
        use(*before)


def in_english(make: Callable[[], str]) -> str:
    """A sentence that is a value of JSON, and so the same in every language."""
    with used("en"):
        return make()


def current() -> str:
    """`en` or `zh`."""
    return _current


def is_chinese() -> bool:
    """Are sentences in Chinese?"""
    return _current == "zh"


def of_environment(environment: Mapping[str, str]) -> str:
    """`zh` where CAPNET_LANG or the locale is Chinese, else `en`."""
    value = next(filter(None, map(environment.get, _VARIABLES)), "")
    return "zh" if value.startswith("zh") else "en"


def pick(english: str, chinese: str) -> str:
    """The text in the current language."""
    return chinese if _current == "zh" else english


def term(english: str) -> str:
    """A heading or a word in the current language; itself where the table does not have it."""
    if _current == "en":
        return english
    from capnet.chinese import TERMS

    return TERMS.get(english, english)


def message(english: str) -> str:
    """An error or a line of progress in the current language; itself where the tables do not have it.

    Code raises and reports in English, which programs compare; what shows it to a person calls this.
    """
    if _current == "en":
        return english
    from capnet.chinese.messages import translated

    return translated(english)


def sentence(text: str) -> str:
    """The text with one full stop at its end."""
    return text.rstrip("。.") + "。" if _current == "zh" else text.rstrip(".") + "."


def labelled(label: str, text: str) -> str:
    """`Fix: …`: a text behind its label."""
    return f"{term(label)}：{text}" if _current == "zh" else f"{label}: {text}"


def joined(texts: list[str]) -> str:
    """Sentences one after the other."""
    return ("" if _current == "zh" else " ").join(texts)


def items(texts: Iterable[str]) -> str:
    """Things one after the other: `a, b`."""
    return ("、" if _current == "zh" else ", ").join(texts)


def enumerated(words: Sequence[str]) -> str:
    """`a、b 和 c`: all of several things in Chinese. Beside Chinese and full-width marks stands no space."""
    if len(words) < 2:
        return "".join(words)
    *first, last = words
    before, after = ("" if _is_wide(text) else " " for text in (first[-1][-1:], last[:1]))
    return f"{'、'.join(first)}{before}和{after}{last}"


def _is_wide(character: str) -> bool:
    return "\u2e80" <= character <= "\u9fff" or "\uff00" <= character <= "\uffef" or character in "“”"


def clauses(texts: list[str]) -> str:
    """Clauses of one sentence."""
    return ("；" if _current == "zh" else "; ").join(texts)


def unbroken(text: str) -> str:
    """Chinese text without its line breaks: a space takes their place only beside Latin words."""
    import re

    han = "\u2e80-\u9fff\uff00-\uffef“”"
    marks = "，。；：、（）"
    text = re.sub(rf"(?<=[{han}])\n(?=[{han}])|(?<=[{marks}])\n|\n(?=[{marks}])", "", text.strip())
    return text.replace("\n", " ")
