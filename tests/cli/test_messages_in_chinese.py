"""Errors and lines of progress in Chinese: the tables have each that the code prints, and names stay as they are."""

from __future__ import annotations

import re
import subprocess
import sys
from itertools import zip_longest
from pathlib import Path

import pytest
from click.testing import CliRunner

from capnet import language
from capnet.chinese.claims import CLAIM_MESSAGES
from capnet.chinese.messages import MAX_LENGTH, MESSAGES, VALUE, template, translated
from capnet.cli import cli
from capnet.scenario import library
from capnet.scenario.checks.checks import scenario_checks
from capnet.scenario.checks.common_checks import COMMON_CHECKS
from tests.message_shapes import messages, shapes_of

BRIDGE = "pcaps/bridge.pcapng"


def test_every_message_has_its_chinese() -> None:
    shapes = {re.sub(r"(\{\})+", "{}", VALUE.sub("{}", english)) for english in MESSAGES}
    listed = list(messages())
    assert len(listed) > 400
    assert [(place, shape) for place, shape in listed if shape not in shapes and shape.strip() not in shapes] == []


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ('raise UsageError(f"{path}: no")', ["{}: no"]),
        ('raise UsageError("none" + (f"; {b}" if b else ""))', ["none; {}", "none"]),
        ('raise kind(error)("cannot")', ["cannot"]),
        ('return UsageError("this")', ["this"]),
        ('raise TypeError("of programmers")', []),
        ('self.say(f"{name} is here")', ["{} is here"]),
    ],
)
def test_messages_of_code_are_found(code: str, expected: list[str]) -> None:
    assert [shape for _, shape in shapes_of(code)] == expected


def test_steps_of_scenarios_are_chinese() -> None:
    """With a name for each value; what is sent (ping, HTTP, DNS) is named as ever."""
    english = re.compile(r"\b(to|from|and|with|through|over|by|its|while|has|no|on)\b(?![-.])")
    steps = [shape for path in Path("scenarios").rglob("*.py") for _, shape in shapes_of(path.read_text())]
    named = [
        "".join(part + name for part, name in zip_longest(step.split("{}"), "ABCD"[: step.count("{}")], fillvalue=""))
        for step in steps
    ]
    assert len(named) > 30
    assert [step for step in named if english.search(translated(step).replace("ip route add", ""))] == []


def test_chinese_has_the_values_of_the_english() -> None:
    names = {
        english: ({m[1] for m in VALUE.finditer(text)} for text in (english, MESSAGES[english])) for english in MESSAGES
    }
    assert [english for english, (one, other) in names.items() if one != other] == []


def test_each_entry_is_read_as_itself() -> None:
    """No other entry of the tables takes it for its own."""
    for english, chinese in MESSAGES.items():
        values = {name: f"x{i}" for i, name in enumerate(template(english).kinds)}
        text = VALUE.sub(lambda value, values=values: values[value[1]], english)
        shown = VALUE.sub(lambda value, values=values: values[value[1]], chinese)
        assert translated(text).replace(" ", "") == shown.replace(" ", ""), english


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("a.pcap: cannot be written (Permission denied)", "a.pcap：无法写入（没有权限）"),
        ("no network is called sho; nearest: shop, host", "没有名为 sho 的网络；最接近的：shop、host"),
        ("network: cannot be read (Is a directory)", "network：无法读取（是文件夹）"),
        ("bbox to host B: ping, HTTP", "bbox 到主机 B：ping、HTTP"),
        ("A/x is left out: container web has stopped", "略过 A/x：容器 web 已停止"),
        ("no root here (sudo); run capnet as root (sudo capnet …), or leave out --no-container",
         "这里没有 root（sudo）；请以 root 运行 capnet（sudo capnet …），或去掉 --no-container"),
        ("scenario x captured nowhere; 2 packets captured at 1 point are kept in x.pcapng",
         "场景 x 没有在任何地方抓包；在 1 个抓包点上抓到的 2 个包保留在 x.pcapng"),
        ("host A, 2 containers: no address or MAC in common with the capture; it is not used",
         "主机 A，2 个容器：与抓包没有相同的地址或 MAC；不使用它"),
        ("t.json: not JSON (bad); the report goes without names from it",
         "t.json：不是 JSON（bad）；报告中没有它的名称"),
        ("iptables: Bad rule", "iptables: Bad rule"),
        ("Docker: failed to create task: driver failed on endpoint web",
         "Docker：failed to create task: driver failed on endpoint web"),
        ("driver failed on endpoint web", "driver failed on endpoint web"),
    ],
)  # fmt: skip
def test_message_in_chinese(english: str, chinese: str) -> None:
    """Names of files, networks and hosts are as they were, also where they are words."""
    assert translated(english) == chinese


@pytest.mark.parametrize("text", ["a: b; " * 400, "x" * (MAX_LENGTH + 1), "{}: {" * 99, "", "; ", ": " * 50])
def test_hostile_texts_are_left_alone(text: str) -> None:
    assert translated(text) == text


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("packet", BRIDGE, "9999"), f"capnet: {BRIDGE}：没有第 9999 帧；最后一帧是 272\n"),
        (("analyse",), "capnet: 没有命令 'analyse'，也没有这个文件：是不是 analyze？\n"),
        (("analyze", "--nope"), "错误：没有选项 '--nope'"),
        (("packet", BRIDGE, "x"), "错误：'N' 的值无效：'x' 不是整数。\n"),
        (("lab", "exec"), "用法： "),
    ],
)
def test_command_line_says_it_in_chinese(words: tuple[str, ...], expected: str) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "capnet", "--lang", "zh", *words], capture_output=True, text=True, check=False
    )
    assert run.returncode == 2
    assert expected in run.stderr


def test_error_is_english_for_programs() -> None:
    """The exception itself; only what is shown on a terminal is translated."""
    with language.used("en"):
        result = CliRunner().invoke(cli, ["--lang", "zh", "packet", BRIDGE, "9999"])
    assert "there is no frame 9999" in str(result.exception)


def test_list_of_faults_is_chinese() -> None:
    shown = CliRunner().invoke(cli, ["--lang", "zh", "scenario", "fault", "list"]).stdout
    assert "    破坏  B: ip link set dev ens33 down\n    诊断  arp-unanswered\n" in shown


def test_doctor_is_chinese() -> None:
    """But for names and commands."""
    shown = CliRunner().invoke(cli, ["--lang", "zh", "doctor"]).stdout
    assert "部分" in shown and "实验环境" in shown
    assert re.findall(r"\b(?!sudo|service|capnet|apt)[a-z]{3,} [a-z]{2,} [a-z]{2,}\b(?! --| a| u| s)", shown) == []


def test_damage_is_told_in_chinese(tmp_path: Path) -> None:
    """In the sentence of the finding, and in the table of the whole report."""
    path = tmp_path / "cut.pcapng"
    path.write_bytes(Path(BRIDGE).read_bytes()[:5000])
    shown = CliRunner().invoke(cli, ["--lang", "zh", "analyze", "--full", str(path)]).stdout.replace("\n", "")
    assert re.sub(" +", "", shown).count("文件在一条记录的第156字节处结束") > 1
    assert "into a record" not in shown


def test_claims_of_scenarios_are_chinese() -> None:
    """Each check of a scenario, and those that all scenarios share, also where one is not met."""
    claims = {" ".join((check.__doc__ or "").split()) for check in COMMON_CHECKS}
    for name in library.files():
        claims |= set(scenario_checks(library.load(name)))
    assert claims == set(CLAIM_MESSAGES)
    shown = translated("  expected: the model is bridge; found {'host'}, not {'bridge'}")
    assert shown == "  预期：网络模型是 bridge；得到 {'host'}，而不是 {'bridge'}"
    failed = "bridge: its packets do not show what it claims (see a.pcapng):"
    lines = "\n  expected: nothing is translated; no web", "\n  expected: the model is bridge; found 1, not 2"
    chinese = "\n  预期：没有地址转换；没有 web", "\n  预期：网络模型是 bridge；得到 1，而不是 2"
    for most in (1, 2):
        shown = translated(failed + "".join(lines[:most]))
        assert shown == "bridge：它的包不符合所述（见 a.pcapng）：" + "".join(chinese[:most])
