"""`capnet learn`: asks what a network model does to a packet, and shows the packet as the answer."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable

import click

from capnet.analysis.core.wording import Text
from capnet.cli import colors, completions
from capnet.errors import Exit, UsageError

_STYLES = (
    (re.compile(r"\^+.*$", re.MULTILINE), "1;36"),  # marks below bytes, with name and value of the field
    (re.compile(r"^  (?:Right|正确).*$", re.MULTILINE), "32"),
    (re.compile(r"^  (?:No[ ,]|不对|没有回答).*$", re.MULTILINE), "31"),
)


@click.command("learn", short_help="Learn a network model by questions about its packets.")
@click.argument("model", required=False, metavar="[MODEL]", shell_complete=completions.lessons)
@click.option("--answers", metavar="N,N,...", help="Answer with these numbers and do not ask; - is no answer.")
def command(model: str | None, answers: str | None) -> int:
    """Ask what happens to packets in a network MODEL, and show the packets themselves as the answer.

    The packets were recorded from real Docker and come with capnet: no Docker, no root, no network. Without MODEL, the
    lessons are listed. The truth is what Docker, ip and conntrack said while it was recorded.

    \b
    capnet learn bridge
    capnet learn overlay --lang zh
    capnet learn bridge --answers 3,3,2,3,1
    printf '3\\n3\\n2\\n3\\n1\\n' | capnet learn bridge

    Exit codes: 0 every answer is right, 1 one is wrong or missing.
    """
    from capnet.cli.output import emit, report_columns

    if model is None:
        emit(_list())
        if sys.stdout is not None and sys.stdout.isatty():
            emit(Text(en="\nto begin: capnet learn bridge\n", zh="\n开始：capnet learn bridge\n").fill())
        return Exit.OK
    from capnet.learn.lessons import NAMES, lesson
    from capnet.learn.session import Score, play

    if model not in NAMES:
        from capnet.cli.similar_names import did_you_mean

        hint = did_you_mean(model, NAMES, "`capnet learn` lists them")
        raise UsageError(f"there is no lesson {model!r}: {hint}")
    taught, score = lesson(model), Score()
    answer = _asked if answers is None else _given(answers, len(taught.questions))
    is_colored = colors.is_wanted("auto", goes_to_file=False)
    for text in play(taught, answer, report_columns(), score):
        emit(painted(text) if is_colored else text)
    return Exit.OK if score.right == len(taught.questions) else Exit.FINDING


def painted(text: str) -> str:
    """The text with ANSI escapes around marks and verdicts."""
    for pattern, style in _STYLES:
        text = pattern.sub(f"\x1b[{style}m\\g<0>\x1b[0m", text)
    return text


def _list() -> str:
    from capnet.learn.lessons import NAMES, lesson

    width = max(map(len, NAMES)) + 2
    return "".join(f"{name:{width}}{lesson(name).chapter.fill()}\n" for name in NAMES)


def _given(answers: str, count: int) -> Callable[[str, int], int | None]:
    """Takes the answers of --answers in turn. UsageError if there are more or fewer, or one is no number."""
    numbers = [word.strip() for word in answers.split(",")]
    if len(numbers) != count:
        raise UsageError(f"--answers has {len(numbers)}, and the lesson has {count} questions")
    if wrong := [word for word in numbers if word != "-" and not _is_number(word)]:
        raise UsageError(f"--answers: {wrong[0]!r} is no number of a choice; - is no answer")
    left = iter(numbers)

    def answer(prompt: str, choices: int) -> int | None:
        from capnet.cli.output import emit

        word = next(left)
        emit(f"{prompt}{word}\n")
        if word == "-":
            return None
        if not 1 <= int(word) <= choices:
            raise UsageError(f"--answers: {word} is none of the choices, which are 1 to {choices}")
        return int(word)

    return answer


def _asked(prompt: str, choices: int) -> int | None:
    """A line of standard input; an empty one and the end of the input are no answer. Raises Ended for q."""
    from capnet.cli.output import emit
    from capnet.learn.session import Ended
    from capnet.report.escape import visible

    while True:
        emit(prompt)
        line = sys.stdin.readline() if sys.stdin is not None else ""
        word = line.strip()
        if sys.stdin is None or not sys.stdin.isatty():  # a terminal shows what is typed
            emit(f"{visible(word)}\n")
        if word.lower() == "q":
            raise Ended
        if not word:
            return None
        if _is_number(word) and 1 <= int(word) <= choices:
            return int(word)


def _is_number(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) < 10
