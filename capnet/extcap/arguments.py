"""What Wireshark asks of an extcap program, from its command line."""

from __future__ import annotations

from collections.abc import Sequence

from capnet.quick_tuple import NamedTuple

# Questions without a value. The first that is asked is answered.
_QUESTIONS = ("--extcap-interfaces", "--extcap-dlts", "--extcap-config", "--capture")


class Request(NamedTuple):
    """`question` is one of the words above or empty; `options` are the words with a value, such as --fifo."""

    question: str
    options: dict[str, str]

    @property
    def interface(self) -> str:
        """The interface that is asked about, empty for none."""
        return self.options.get("--extcap-interface", "")

    @property
    def capture_filter(self) -> str:
        """Wireshark's own filter and that of the interface's options, joined."""
        filters = [self.options.get(name, "").strip() for name in ("--extcap-capture-filter", "--filter")]
        given = [text for text in filters if text]
        return given[0] if len(given) == 1 else " and ".join(f"({text})" for text in given)


def parse(words: Sequence[str]) -> Request:
    """The request. `--a=b` and `--a b` are an option; those that a later Wireshark may add are not used."""
    questions, options = [], {}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        name, is_joined, value = word.partition("=")
        if word in _QUESTIONS:
            questions.append(word)
        elif is_joined and name.startswith("--"):
            options[name] = value
        elif word.startswith("--"):
            # A filter or a name may begin with a dash: only known questions and options of two dashes are none.
            options[word] = rest.pop(0) if rest and not rest[0].startswith("--") else ""
    return Request(next((question for question in _QUESTIONS if question in questions), ""), options)
