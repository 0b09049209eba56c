"""`capnet learn` and `capnet demo` as a learner calls them: at a pipe, with answers given, in both languages."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from click.testing import CliRunner

from capnet.cli import cli
from capnet.cli.learn import painted
from capnet.errors import UsageError
from capnet.learn.lessons import NAMES, lesson
from capnet.learn.recording import LessonRecording


def right_answers(name: str) -> list[int]:
    made = [make(LessonRecording(name)) for make in lesson(name).questions]
    return [[choice.value for choice in each.choices].index(each.truth) + 1 for each in made]


def learn(*words: str, given: str = "", lang: str = "C") -> tuple[int, str]:
    result = CliRunner(env={"LC_ALL": lang}).invoke(cli, ["learn", *words], input=given, standalone_mode=False)
    if result.exception:
        raise result.exception
    return int(result.return_value), result.output


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("name", NAMES)
def test_right_answers_are_all_right(name: str, lang: str) -> None:
    numbers = ",".join(map(str, right_answers(name)))
    code, text = learn(name, "--answers", numbers, "--lang", lang)
    count = len(lesson(name).questions)
    assert code == 0
    assert (f"{count} of {count} right." if lang == "en" else f"{count} 题中答对 {count} 题。") in text
    assert re.search(r"{\w", text) is None
    assert max(map(len, text.splitlines())) <= 100


def test_answers_by_standard_input_are_checked() -> None:
    """The second is wrong, the third is none; a line that is no choice is asked again."""
    code, text = learn("bridge", given="3\nx\n1\n\n")
    assert code == 1
    assert "1 of 5 right." in text
    assert text.count("Right: ") == 1 and text.count("No, 3 is right") == 1 and text.count("No answer; ") == 3


def test_lesson_shows_packet_before_and_after() -> None:
    _, text = learn("bridge", "--answers", "-,3,-,-,-")
    part = text.split("Question ")[2]
    assert "at A/bbox/eth0:" in part and "at B/ens33, the same packet:" in part
    assert part.index("^ ip.src 172.17.0.3") < part.index("Answer") < part.index("^ ip.src 192.168.111.128")
    assert "Recorded by conntrack on host A: ipv4 2 icmp" in part


def test_lesson_in_chinese_decodes_frames_in_chinese() -> None:
    """As `capnet packet` does; names of fields stay Wireshark's."""
    _, shown = learn("bridge", "--lang", "zh", given="q\n")
    assert "类型 IPv4 (0x0800)" in shown and "eth.src" in shown
    assert "type IPv4" not in shown


def test_marks_stand_below_their_bytes() -> None:
    _, text = learn("bridge", "--answers", "-,-,-,-,-")
    lines = text.splitlines()
    (at, *_) = [number for number, line in enumerate(lines) if "^ ip.src 172.17.0.3" in line]
    begin, end = lines[at].index("^"), lines[at].rindex("^") + 1
    assert lines[at - 1][begin:end] == "ac 11 00 03"


def test_colours_mark_bytes_and_verdicts_on_a_terminal() -> None:
    """The text stays the same, and a pipe gets no colours."""
    _, text = learn("bridge", "--answers", "3,1,-,-,-")
    colored = painted(text)
    assert "\x1b" not in text and re.sub(r"\x1b\[[0-9;]*m", "", colored) == text
    assert "\x1b[1;36m^^^^^^^^^^^ ip.src 172.17.0.3\x1b[0m" in colored
    assert "\x1b[32m  Right: " in colored and "\x1b[31m  No, 3 is right" in colored


def test_q_ends_the_lesson_with_its_score() -> None:
    code, text = learn("none", given="1\nq\n")
    assert code == 1 and "1 of 1 right." in text and "Question 3" not in text


def test_list_names_every_lesson_in_the_language_of_the_locale() -> None:
    assert [line.split()[0] for line in learn()[1].splitlines()] == list(NAMES)
    assert "三、Bridge 模型" in learn(lang="zh_CN.UTF-8")[1]
    assert "Bridge: docker0" in learn("--lang", "en", lang="zh_CN.UTF-8")[1]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["brigde"], "there is no lesson 'brigde': did you mean bridge"),
        (["bridge", "--answers", "1"], "--answers has 1, and the lesson has 5 questions"),
        (["none", "--answers", "1,b,1"], "'b' is no number of a choice"),
        (["none", "--answers", "1,9,1"], "9 is none of the choices, which are 1 to 3"),
    ],
)
def test_wrong_use_says_what_is_wrong(words: list[str], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        learn(*words)


def test_closed_output_ends_quietly() -> None:
    done = subprocess.run(
        f"{sys.executable} -m capnet learn bridge --answers 1,1,1,1,1 | head -2",
        shell=True, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout.count("\n") == 2 and done.stderr == ""


def test_demo_runs_what_it_prints() -> None:
    """Without a terminal there is no pause; each command's own output follows it."""
    done = subprocess.run(
        [sys.executable, "-m", "capnet", "demo"], capture_output=True, text=True, timeout=120, check=True
    )
    commands = [line[2:] for line in done.stdout.splitlines() if line.startswith("$ ")]
    assert [command.split()[1] for command in commands] == ["analyze", "trace", "analyze", "explain"]
    again = subprocess.run(
        commands[1].replace("capnet", f"{sys.executable} -m capnet", 1),
        shell=True,
        capture_output=True,
        text=True,
        check=True,
    )
    assert again.stdout.strip() in done.stdout
    assert "SYNs of 192.168.111.129 to 192.168.111.128:8080 (web:80) got no answer" in " ".join(done.stdout.split())
    assert done.stderr == ""


def test_demo_in_chinese_explains_in_chinese() -> None:
    """The commands that it runs and prints as well."""
    text = CliRunner().invoke(cli, ["demo", "--lang", "zh"]).output
    assert "为什么没有应答？" in text and "接下来：" in text
    assert "capnet analyze pcaps/bridge.pcapng --lang zh\n" in text
    assert "抓包点之间没有丢包" in text.partition("\n2/4")[0].partition("$ capnet")[2]


@pytest.mark.parametrize(
    "words", [["learn", "bridge", "--answers", "1,1,1,1,1"], ["demo"], ["analyze", "pcaps/none.pcapng"]]
)
def test_reading_captures_loads_no_other_package(words: list[str]) -> None:
    """Docker, scapy, pyshark and numba are for other commands, and take long to load."""
    program = (
        "import sys; from capnet.cli import cli\n"
        f"cli.main({words!r}, standalone_mode=False)\n"
        "heavy = {'docker', 'scapy', 'pyshark', 'numba', 'requests', 'asyncio'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    assert done.stderr == "[]\n"
