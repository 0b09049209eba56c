"""`--lang`, and what the environment says: which output is in which language."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from capnet.cli import cli
from capnet.errors import UsageError
from tests.mcp.client import HELLO, call, request

BRIDGE = "pcaps/bridge.pcapng"
CHINESE = "抓包点之间没有丢包"


def output(*words: str, **environment: str) -> str:
    result = CliRunner(env={"LC_ALL": "C.UTF-8", **environment}).invoke(cli, words, standalone_mode=False)
    if result.exception:
        raise result.exception
    return result.stdout


@pytest.mark.parametrize(
    "words",
    [("--lang", "zh", "analyze", BRIDGE), ("analyze", BRIDGE, "--lang=zh"), ("--lang=zh", BRIDGE)],
    ids=["before", "after", "file alone"],
)
def test_option_stands_before_or_after_the_command(words: tuple[str, ...]) -> None:
    assert CHINESE in output(*words)


@pytest.mark.parametrize("name", ["CAPNET_LANG", "LC_ALL"])
def test_environment_chooses_the_language_of_text(name: str) -> None:
    assert CHINESE in output("analyze", BRIDGE, **{name: "zh_CN.UTF-8"})


def test_option_is_stronger_than_the_environment() -> None:
    assert CHINESE not in output("analyze", BRIDGE, "--lang", "en", CAPNET_LANG="zh")
    assert CHINESE not in output("analyze", BRIDGE, CAPNET_LANG="en", LC_ALL="zh_CN.UTF-8")


def test_json_is_english_unless_asked_otherwise() -> None:
    path = "pcaps/faults/mtu-blackhole.pcapng"
    plain = json.loads(output("analyze", path, "--format", "json", CAPNET_LANG="zh"))
    asked = json.loads(output("analyze", path, "--format", "json", "--lang", "zh"))
    assert plain["findings"][0]["says"].isascii()
    assert "个" in asked["findings"][0]["says"]
    assert plain["findings"][0]["id"] == asked["findings"][0]["id"]


@pytest.mark.parametrize("format_", ["junit", "sarif"])
def test_formats_of_other_programs_are_english(format_: str) -> None:
    path = "pcaps/faults/mtu-blackhole.pcapng"
    assert "no ICMP error says so" in output("analyze", path, "--format", format_, CAPNET_LANG="zh")


def test_unknown_language_is_refused() -> None:
    with pytest.raises(UsageError, match="--lang fr: choose from en, zh"):
        output("analyze", BRIDGE, "--lang", "fr")


def test_words_behind_two_dashes_are_not_options() -> None:
    """`--lang` behind `--` belongs to the command that follows there."""
    with pytest.raises(Exception, match="--lang"):
        output("analyze", "--", "--lang")


def test_english_report_loads_no_chinese_table() -> None:
    program = (
        "import sys; from capnet.cli import cli\n"
        f"cli(['analyze', {BRIDGE!r}, '--lang', sys.argv[1]], standalone_mode=False)\n"
        "print([name for name in sys.modules if 'chinese' in name])"
    )
    last = {
        language: subprocess.run(
            [sys.executable, "-c", program, language], capture_output=True, text=True, check=True
        ).stdout.splitlines()[-1]
        for language in ("en", "zh")
    }
    assert last["en"] == "[]"
    assert "capnet.chinese" in last["zh"]


def test_labels_are_coloured_in_both_languages() -> None:
    path = "pcaps/faults/mtu-blackhole.pcapng"
    for language, level, label in (("en", "error", "Fix"), ("zh", "错误", "处理")):
        text = output("analyze", path, "--color", "always", "--lang", language)
        assert f"\x1b[1;31m{level}\x1b[0m" in text and f"\x1b[1m         {label}\x1b[0m" in text


def test_agents_get_english_in_every_locale() -> None:
    calls = [request("initialize", **HELLO), call("open", files=["bridge.pcapng"]), call("summary", capture="c1")]
    runner = CliRunner(env={"LC_ALL": "zh_CN.UTF-8"})
    shown = runner.invoke(cli, ["mcp", "--folder", "pcaps"], input=b"\n".join(calls) + b"\n", standalone_mode=False)
    assert "No error and no warning" in shown.stdout and "网络" not in shown.stdout
