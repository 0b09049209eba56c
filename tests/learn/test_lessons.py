"""Each answer of each lesson is what Docker, conntrack and tshark say, and each byte that is marked is there."""

from __future__ import annotations

from pathlib import Path
from string import Formatter

import pytest

from capnet.analysis.core.wording import Text
from capnet.learn import captures, recording
from capnet.learn.lessons import NAMES, lesson
from capnet.learn.question import Question
from capnet.learn.recording import LessonRecording
from tests.conftest import PROJECT
from tests.learn.recorded_truth import COUNTED, TRUTHS, Recorded

LANGUAGES = ("en", "zh")
_TSHARK = {
    "eth.src": "smac", "eth.dst": "dmac", "ip.src": "src", "ip.dst": "dst", "ip.ttl": "ttl",
    "tcp.dstport": "dport", "udp.dstport": "dport", "vxlan.vni": "vni",
}  # fmt: skip


def questions(name: str) -> list[Question]:
    return [make(LessonRecording(name)) for make in lesson(name).questions]


def texts(question: Question) -> list[Text]:
    return [question.ask, question.because, question.source, *(choice.words for choice in question.choices)]


@pytest.mark.parametrize("name", NAMES)
def test_answer_is_what_was_recorded(name: str) -> None:
    recorded = Recorded(name)
    assert [question.truth for question in questions(name)] == [truth(recorded) for truth in TRUTHS[name]]


@pytest.mark.parametrize("name", NAMES)
def test_exactly_one_choice_is_right(name: str) -> None:
    for question in questions(name):
        values = [choice.value for choice in question.choices]
        assert len(values) == len(set(values)) >= 2
        assert values.count(question.truth) == 1


@pytest.mark.parametrize("name", NAMES)
def test_marked_bytes_are_what_tshark_reads(name: str) -> None:
    rows = {(row["frame"], row["depth"]): row for row in Recorded(name).rows}
    shown = [part for question in questions(name) for part in (question.before, question.after) if part]
    assert shown
    for frame, marks, _ in shown:
        for field, depth in marks:
            row = rows[str(frame.number), str(depth)]
            assert frame.mark(field, depth).value == row[_TSHARK[field]], (frame.number, field)


@pytest.mark.parametrize("name", NAMES)
def test_frame_before_and_after_is_the_same_packet(name: str) -> None:
    """Neither NAT nor a bridge nor a tunnel changes the identification of the innermost IPv4 header."""
    for question in questions(name):
        if question.before and question.after and question.after.is_same:
            ids = {part.frame.rows[-1]["ip_id"] for part in (question.before, question.after)}
            assert len(ids) == 1 and question.before.frame.point != question.after.frame.point


@pytest.mark.parametrize("name", NAMES)
def test_texts_are_complete_in_both_languages(name: str) -> None:
    taught = lesson(name)
    assert taught.name == name
    for text in (taught.chapter, taught.story):
        assert text.en and text.zh and text.en != text.zh
    for question in questions(name):
        for text in texts(question):
            assert text.en and text.zh
            fields = [
                {field for _, field, _, _ in Formatter().parse(getattr(text, each)) if field} for each in LANGUAGES
            ]
            assert fields[0] == fields[1] <= set(question.values)
        assert all(question.ask.zh != other for other in (question.ask.en, question.because.zh))


@pytest.mark.parametrize(("name", "number"), COUNTED)
def test_counts_are_those_of_tshark(name: str, number: int) -> None:
    recorded = Recorded(name)
    fields = COUNTED[name, number](recorded)
    counts = {point: len(recorded.at(point, **fields)) for point in recorded.points}
    assert questions(name)[number].counts == counts
    assert any(counts.values()) and not all(counts.values())


def test_truth_follows_the_recording_and_no_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Had conntrack recorded another address, another choice would be right."""
    for suffix in (".pcapng", ".topology.json"):
        (tmp_path / f"bridge{suffix}").write_bytes((PROJECT / "pcaps" / f"bridge{suffix}").read_bytes())
    topology = tmp_path / "bridge.topology.json"
    reply = "src=192.168.111.129 dst={} type=0 code=0 id=14"
    text = topology.read_text()
    assert reply.format("192.168.111.128") in text
    topology.write_text(text.replace(reply.format("192.168.111.128"), reply.format("172.17.0.3")))
    monkeypatch.setattr(recording, "stored", lambda name: tmp_path / f"{name}.pcapng")
    with pytest.raises(StopIteration):  # no packet of that kind was captured at B
        questions("bridge")
    assert LessonRecording("bridge").connection("A", "icmp").reply["dst"] == "172.17.0.3"


def test_captures_that_lessons_need_are_shipped() -> None:
    """pyproject.toml names the files of SHIPPED, with the topology beside each, and no others."""
    import tomllib

    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    files = {f"{name}{suffix}" for name in captures.SHIPPED for suffix in (".pcapng", ".topology.json")}
    assert {source for source in included if source.startswith("pcaps/")} == {f"pcaps/{file}" for file in files}
    assert {included[f"pcaps/{file}"] for file in files} == {f"capnet/captures/{file}" for file in files}
    assert set(NAMES) <= set(captures.SHIPPED)
    assert sum((PROJECT / "pcaps" / file).stat().st_size for file in files) < 700_000
