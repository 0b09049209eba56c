"""Errors and lines of progress in Chinese, by tables of `"English {value}": "中文 {value}"`.

Code raises and reports in English, which programs and tests compare; only what a terminal shows is translated.
Method: of all readings of the text, the one that leaves the fewest characters as they are. A value stays as it is, but
for `{reason:text}`, which is a message itself, `{kind:word}`, a word of WORDS, and `{names:list}`: `a, b` of names and
PHRASES. Limits: a text that no table has stays English.
"""

from __future__ import annotations

import re
from functools import cache

from capnet.chinese.claims import CLAIM_MESSAGES
from capnet.chinese.messages.capture import CAPTURE_MESSAGES
from capnet.chinese.messages.click import CLICK_MESSAGES
from capnet.chinese.messages.decode import DECODE_MESSAGES
from capnet.chinese.messages.docker import DOCKER_MESSAGES
from capnet.chinese.messages.doctor import DOCTOR_MESSAGES
from capnet.chinese.messages.fleet import FLEET_MESSAGES
from capnet.chinese.messages.inputs import INPUT_MESSAGES
from capnet.chinese.messages.lab import LAB_MESSAGES
from capnet.chinese.messages.options import OPTION_MESSAGES
from capnet.chinese.messages.scenarios import POD_MESSAGES, SCENARIO_MESSAGES, SCENARIO_PARTIES, SCENARIO_STEPS
from capnet.chinese.messages.system import PHRASES, SYSTEM_MESSAGES, WORDS
from capnet.chinese.messages.wireshark import WIRESHARK_MESSAGES
from capnet.quick_tuple import NamedTuple

MESSAGES = {
    **OPTION_MESSAGES, **INPUT_MESSAGES, **CAPTURE_MESSAGES, **DOCKER_MESSAGES, **SCENARIO_MESSAGES, **LAB_MESSAGES,
    **POD_MESSAGES, **DOCTOR_MESSAGES, **DECODE_MESSAGES, **WIRESHARK_MESSAGES, **FLEET_MESSAGES, **CLAIM_MESSAGES,
    **CLICK_MESSAGES, **SYSTEM_MESSAGES,
}  # fmt: skip
VALUE = re.compile(r"\{([a-z_]+)(?::([a-z]+))?\}")
MAX_LENGTH = 4000  # characters of a text that is looked up; file names may be long, and look like messages
MAX_PARTS = 12  # of a text, at each of which it may be two: `first; second`, `place: sentence`
# Spaces beside full-width marks, which have their own, and between Chinese characters.
_SPACE = re.compile(r"(?<=[，。；：、（）“”]) +| +(?=[，。；：、（）])|(?<=[\u4e00-\u9fff]) +(?=[\u4e00-\u9fff])")


class Reading(NamedTuple):
    """A text in Chinese, and how many of its characters are as they were."""

    chinese: str
    kept: int


class Template(NamedTuple):
    """A text with values: `literals` stand before, between and behind them; `kinds` by name (`list`, `word`, empty)."""

    literals: tuple[str, ...]
    kinds: dict[str, str]
    chinese: str

    def values(self, text: str) -> dict[str, str] | None:
        """The values with which the template makes this text; None if it does not."""
        if len(self.literals) == 1:
            return {} if text == self.literals[0] else None
        if not text.startswith(self.literals[0]) or not text.endswith(self.literals[-1]):
            return None
        if not all(literal in text for literal in self.literals):
            return None
        match = re.fullmatch("(.+?)".join(map(re.escape, self.literals)), text, re.DOTALL)
        return match and dict(zip(self.kinds, match.groups(), strict=True))

    def reading(self, text: str) -> Reading | None:
        """The text by this template; None if it does not match."""
        values = self.values(text)
        if values is None:
            return None
        readings = {name: _value(values[name], kind) for name, kind in self.kinds.items()}
        chinese = _filled(self.chinese, {name: reading.chinese for name, reading in readings.items()})
        return Reading(chinese, sum(reading.kept for reading in readings.values()))


def _filled(chinese: str, values: dict[str, str]) -> str:
    return _SPACE.sub("", VALUE.sub(lambda value: values[value[1]], chinese))


def translated(text: str) -> str:
    """The text in Chinese as far as the tables have it."""
    if len(text) > MAX_LENGTH:
        return text
    is_listed = any(template.values(text) is not None for template in _templates())
    step = text if is_listed else _step(text)
    return step if step != text else _reading(text).chinese


def template(english: str, chinese: str = "") -> Template:
    """The template of an entry of a table."""
    parts = VALUE.split(english)  # text, name, kind, text, …
    kinds = dict(zip(parts[1::3], (kind or "" for kind in parts[2::3]), strict=True))
    return Template(tuple(parts[::3]), kinds, chinese)


def _step(text: str) -> str:
    """A step of a scenario, `bbox to host B: ping; host B to web: HTTP`, in Chinese; itself if it is none."""
    return _by_table(text, SCENARIO_STEPS)


def _by_table(text: str, table: dict[str, str]) -> str:
    """By the entry with most literal characters that makes the text; who sends and receives is a party."""
    entries = (template(english, chinese) for english, chinese in table.items())
    for entry in sorted(entries, key=lambda entry: -sum(map(len, entry.literals))):
        values = entry.values(text)
        if values is not None and not re.search("[:;] ", values.get("sender", "") + values.get("receiver", "")):
            shown = {name: _part(value, name, entry.kinds[name]) for name, value in values.items()}
            return _filled(entry.chinese, shown)
    return text


def _part(text: str, name: str, kind: str) -> str:
    if kind == "text":
        return _step(text) if name == "rest" else _by_table(text, SCENARIO_PARTIES)
    return re.sub(", | and ", "、", text) if kind == "list" else text


@cache
def _templates() -> list[Template]:
    return [template(english, chinese) for english, chinese in MESSAGES.items()]


@cache
def _reading(text: str) -> Reading:
    readings = [reading for template in _templates() if (reading := template.reading(text)) is not None]
    readings += _of_two(text, "; ", "；")
    if not readings:
        readings = [*_of_two(text, ": ", "："), *_of_lines(text)]
    return min(readings, key=lambda reading: reading.kept, default=Reading(text, len(text)))


def _value(text: str, kind: str) -> Reading:
    if kind == "text":
        return _reading(text)
    if kind == "word":
        return Reading(WORDS.get(text, text), len(text))
    if kind == "list":
        return Reading("、".join(PHRASES.get(item, item) for item in re.split(", | or | and ", text)), len(text))
    return Reading(text, len(text))


def _of_two(text: str, mark: str, chinese_mark: str) -> list[Reading]:
    """Readings of `first; second` and `place: sentence`."""
    parts = text.split(mark)
    if len(parts) > MAX_PARTS:
        return []
    readings = []
    for end in range(1, len(parts)):
        first, second = _reading(mark.join(parts[:end])), _reading(mark.join(parts[end:]))
        kept = first.kept + second.kept
        if kept < len(text) - len(mark) * (len(parts) - 1):
            readings.append(Reading(f"{first.chinese}{chinese_mark}{second.chinese}", kept))
    return readings


def _of_lines(text: str) -> list[Reading]:
    """The reading line by line of a text that is several, or is indented."""
    bare = text.lstrip(" ")
    if "\n" in text:
        lines = [_reading(line) for line in text.split("\n")]
        return [Reading("\n".join(line.chinese for line in lines), sum(line.kept for line in lines))]
    if bare and bare != text:
        return [Reading(text.removesuffix(bare) + _reading(bare).chinese, _reading(bare).kept)]
    return []
