"""Words for the sentences of facts and findings."""

from __future__ import annotations

import re
from collections.abc import Sequence

from capnet import language
from capnet.quick_tuple import NamedTuple


def plural(count: int, thing: str) -> str:
    """2, `packet` → `2 packets`; 91224, `byte` → `91,224 bytes`."""
    if language.is_chinese():
        from capnet.chinese import counted

        return f"{count:,} {counted(thing)}"
    return f"{count:,} {thing}" if count == 1 else f"{count:,} {thing}s"


def several(words: Sequence[str]) -> str:
    """`a and b`, `a, b and c`; of more than four, `a, b, c and 9 more`."""
    left_out = len(words) - 3 if len(words) > 4 else 0
    if language.is_chinese():
        return "、".join(words[:3]) + f" 等 {len(words):,} 个" if left_out else language.enumerated(words)
    *others, last = [*words[:3], f"{left_out:,} more"] if left_out else words or [""]
    return f"{', '.join(others)} and {last}" if others else last


def endpoint_text(address: str, port: int | None) -> str:
    """`172.17.0.2:80`, `[fd00::2]:80`; an address alone where there is no port."""
    if port is None:
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


# Spaces beside full-width marks, which have their own, and between Chinese. Compiled when a Chinese sentence needs it.
_SPACE = r"(?<=[，。；：、（）“”]) +| +(?=[，。；：、（）])|(?<=[一-鿿]) +(?=[一-鿿])"


class Text(NamedTuple):
    """One sentence in each language, side by side.

    `Text(en="{lost:packet} did not arrive", zh="").fill(lost=2)` → `2 packets did not arrive`: a word after the colon
    is what is counted; of two with a bar between, the first is for one. Chinese needs no plural, and names the counted
    thing itself.
    """

    en: str
    zh: str

    def fill(self, **values: object) -> str:
        """The sentence in the current language with these values in it."""
        values = {name: _Count(value) if hasattr(value, "__index__") else value for name, value in values.items()}
        if language.is_chinese():
            return re.sub(_SPACE, "", self.zh.format_map(values))
        return self.en.format_map(values)


class _Count(int):
    """An integer that `{lost:packet}` prints with what it counts, and `{lost:it was|they were}` as words for it.

    Other format specs mean what they mean in Python.
    """

    def __format__(self, format_spec: str) -> str:
        if "|" in format_spec:
            singular, plural_form = format_spec.split("|")
            return singular if int(self) == 1 else plural_form
        if len(format_spec) > 1 and format_spec[0].isalpha():
            return plural(int(self), format_spec)
        return super().__format__(format_spec)


_ADDRESS_V4 = r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.]*\w)"
_ADDRESS_V6 = r"(?<![\w:])(?:(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}|[0-9a-f:]*::[0-9a-f:]*[0-9a-f])(?![\w:]*\w)"
_COMMANDS_V6 = ((r"(?<![\w-])iptables\b", "ip6tables"), (r"(?<=`)ip (?=rule|route show)", "ip -6 "))


def with_commands_of_family(fix: str, says: str) -> str:
    """A next step with the commands for IPv6, if the sentence and it name addresses of IPv6, and none of IPv4."""
    if "::" not in says and says.count(":") < 7:
        return fix
    if re.search(_ADDRESS_V4, says + " " + fix) or not re.search(_ADDRESS_V6, says):
        return fix
    for command, of_v6 in _COMMANDS_V6:
        fix = re.sub(command, of_v6, fix)
    return fix


def finding_name(module: str) -> str:
    """`capnet.analysis.findings.routing_loop` → `routing-loop`: a finding is called as its file."""
    return module.rpartition(".")[2].replace("_", "-")
