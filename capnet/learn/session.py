"""Plays a lesson: asks, shows the packet, checks the answer. It yields text and takes answers, and owns no terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from textwrap import indent

from capnet.analysis.core.wording import Text
from capnet.learn.captures import shown
from capnet.learn.marked_dump import marked_dump
from capnet.learn.question import Lesson, Question, Shown
from capnet.learn.recording import LessonRecording
from capnet.report.drawing.frame import render
from capnet.report.text import fill

INDENT = "  "

_ASKED = Text(en="Question {number} of {count}", zh="第 {number} 题，共 {count} 题")
_FRAME = Text(en="Frame {frame} at {point}:", zh="{point} 上的第 {frame} 帧：")
_SAME = Text(en="Frame {frame} at {point}, the same packet:", zh="{point} 上的第 {frame} 帧，同一个包：")
_COUNTED = Text(en="Captured: {counts}", zh="抓到：{counts}")
_PACKETS = Text(en="{point}: {count}", zh="{point}：{count} 个包")
_RIGHT = Text(en="Right: “{answer}”.", zh="正确：“{answer}”。")
_WRONG = Text(en="No, {right} is right: “{answer}”.", zh="不对，正确的是 {right}：“{answer}”。")
_UNANSWERED = Text(en="No answer; {right} is right: “{answer}”.", zh="没有回答，正确的是 {right}：“{answer}”。")
_PROMPT = Text(en="Answer (1 to {count}; Enter shows it, q ends): ", zh="回答（1 到 {count}；回车看答案，q 结束）：")
_SCORE = Text(en="{right} of {count} right.", zh="{count} 题中答对 {right} 题。")
_NEXT = Text(en="See it yourself:", zh="自己试试：")


class Ended(Exception):
    """The learner has had enough."""


class Score:
    """How many questions were asked, and how many were answered right."""

    def __init__(self) -> None:
        self.asked = self.right = 0


def play(lesson: Lesson, answer: Callable[[str, int], int | None], width: int, score: Score) -> Iterator[str]:
    """Text of the lesson, piece by piece. `answer(prompt, count)` returns a number from 1, or None for no answer."""
    recording = LessonRecording(lesson.name)
    yield "\n".join([lesson.chapter.fill(), "", *_filled(lesson.story, width)]) + "\n"
    questions = [make(recording) for make in lesson.questions]
    for number, question in enumerate(questions, 1):
        yield f"\n{_ASKED.fill(number=number, count=len(questions))}\n\n"
        yield _asked(question, recording, width)
        try:
            given = answer(INDENT + _PROMPT.fill(count=len(question.choices)), len(question.choices))
        except Ended:
            break
        score.asked += 1
        is_right = given is not None and question.choices[given - 1].value == question.truth
        score.right += is_right
        yield _answered(question, recording, width, given)
    command = lesson.next_command.format(file=shown(recording.path))
    result = _SCORE.fill(right=score.right, count=score.asked)
    yield f"\n{result}\n{_NEXT.fill()}\n{INDENT}{command}\n"


def _asked(question: Question, recording: LessonRecording, width: int) -> str:
    lines = _filled(question.ask, width, question.values)
    if question.before:
        lines += ["", *_frame(question.before, _FRAME, recording, width)]
    lines.append("")
    for number, choice in enumerate(question.choices, 1):
        lines += fill(f"{number}  {choice.words.fill(**question.values)}", width, INDENT * 2, INDENT * 2 + "   ")
    return "\n".join(lines) + "\n\n"


def _answered(question: Question, recording: LessonRecording, width: int, given: int | None) -> str:
    right = next(number for number, choice in enumerate(question.choices, 1) if choice.value == question.truth)
    verdict = _UNANSWERED if given is None else _RIGHT if given == right else _WRONG
    words = question.choices[right - 1].words.fill(**question.values)
    lines = ["", *fill(verdict.fill(right=right, answer=words), width, INDENT)]
    if question.after:
        heading = _SAME if question.before and question.after.is_same else _FRAME
        lines += ["", *_frame(question.after, heading, recording, width)]
    if question.counts:
        counts = " · ".join(_PACKETS.fill(point=point, count=n) for point, n in question.counts.items())
        lines += ["", *fill(_COUNTED.fill(counts=counts), width, INDENT)]
    lines += ["", *_filled(question.because, width, question.values)]
    lines += fill(question.source.fill(**question.values), width, INDENT)
    return "\n".join(lines) + "\n"


def _frame(part: Shown, heading: Text, recording: LessonRecording, width: int) -> list[str]:
    """What capnet decodes of the frame, and its bytes with the fields marked."""
    frame = part.frame
    names = recording.topology.names_at(frame.point)
    decoded = render(frame.rows, "", frame.point, width - len(INDENT), names).split("\n\n", 1)[1]
    head = heading.fill(frame=frame.number, point=frame.point)
    marks = [frame.mark(name, depth) for name, depth in part.marks]
    return [
        INDENT + head,
        indent(decoded.rstrip(), INDENT),
        "",
        *(INDENT + line for line in marked_dump(frame.raw, marks)),
    ]


def _filled(text: Text, width: int, values: Mapping[str, object] | None = None) -> list[str]:
    return fill(text.fill(**(values or {})), width, INDENT)
