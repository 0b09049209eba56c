"""What a lesson consists of: questions, each with its choices, the recorded truth, and the packets that prove it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from capnet.analysis.core.wording import Text
from capnet.learn.recording import LessonFrame, LessonRecording
from capnet.quick_tuple import NamedTuple


class Choice(NamedTuple):
    """An answer that may be chosen: the value that it stands for, and its words."""

    value: str
    words: Text


class Shown(NamedTuple):
    """A frame with the fields that are marked in its bytes: (name of the field, depth).

    `is_same`: with the answer, whether it is the packet that was shown with the question.
    """

    frame: LessonFrame
    marks: tuple[tuple[str, int], ...]
    is_same: bool = True


class Question(NamedTuple):
    """One question. `truth` is the value of the right choice; `source` says who recorded it, and what was said."""

    ask: Text
    choices: tuple[Choice, ...]
    truth: str
    source: Text
    before: Shown | None  # shown with the question
    after: Shown | None  # shown with the answer
    counts: Mapping[str, int]  # shown with the answer: point → how many such packets were captured there
    because: Text
    values: Mapping[str, object]  # what {name} in the texts stands for


Maker = Callable[[LessonRecording], Question]


class Lesson(NamedTuple):
    """The lesson of one network model, on the capture of the same name."""

    name: str
    chapter: Text  # of the article
    story: Text
    questions: tuple[Maker, ...]
    next_command: str  # {file} stands for the capture


def question(
    ask: Text,
    choices: tuple[Choice, ...],
    truth: str,
    source: Text,
    because: Text,
    before: Shown | None = None,
    after: Shown | None = None,
    counts: Mapping[str, int] | None = None,
    **values: object,
) -> Question:
    """A question; what it does not need is left out."""
    return Question(ask, choices, truth, source, before, after, counts or {}, because, values)
