"""docs/zh: the pages of commands and of findings in Chinese, from the texts of `--lang zh`."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

from capnet import language
from capnet.analysis.findings import finding_modules
from capnet.cli import cli
from capnet.cli.chinese import translated
from capnet.cli.chinese.scenario_pages import title_of
from capnet.errors import Exit
from capnet.report.manual import manual
from capnet.scenario.faults import library
from tests.generated.cli import PageWords, commands_page
from tests.generated.findings import in_markdown

EXITS = {
    Exit.OK: "没有失败。",
    Exit.FINDING: "有达到 `--fail-on` 级别的诊断；场景失败；`lab status` 而实验环境没有启动。",
    Exit.USAGE: "用法错误。",
    Exit.UNREADABLE: "有输入完全无法读取。",
    Exit.LACKS: "环境缺少所需的东西，例如磁盘空间；错误信息说明缺什么，以及怎样得到。",
    Exit.INTERRUPTED: "被中断，已清理完毕。",
}

COMMANDS = PageWords(
    head="""# 命令

<!-- Made from the help texts of the commands by `python -m tests.generated`: do not edit. -->

与 `capnet 命令 --help --lang zh` 的内容相同。英文版见 [Commands](../cli.md)。
""",
    plays={
        "scenario": "运行一个场景。每个场景做什么、能看到什么，见 [Scenarios](../scenarios.md)（英文）。",
        "fault": "运行一个故障。每个故障由什么造成、由哪条诊断指出，见[故障](findings.md#故障)。",
    },
    columns="| 选项 | 含义 | 默认 |",
    exits="## 退出码\n\n| 退出码 | 含义 |",
    codes=EXITS,
)

FINDINGS_HEAD = """# 诊断

<!-- Made by `python -m tests.generated`: do not edit. -->

诊断是一个判断：它有名称、级别、一句话、作为证据的帧，以及下一步。
与 `capnet explain 诊断名 --lang zh` 的内容相同。英文版见 [Findings](../findings.md)。

- **错误**（error）：有东西失败，并且包显示了在哪里。
- **警告**（warning）：很可能有东西失败，或工作得不好。
- **提示**（info）：网络或抓包的一个值得知道的特性。

有达到该级别的诊断时，`capnet analyze --fail-on warning` 以 1 退出。

| 诊断 | 级别 | 含义 |
|---|---|---|
"""

FAULTS_HEAD = """
## 故障

`sudo capnet scenario fault NAME --lab` 在本机的内核上运行一个故障。
它建立一个正常的网络并发送，用一行命令把它弄坏，再发送同样的内容。
capnet 必须在第二次抓包中指出故障，而对第一次抓包不报出高于“提示”的诊断。
两份抓包都在 [pcaps/faults](../../pcaps/faults)，由测试检查。

| 故障 | 哪里不对 | 造成故障的命令 | 指出它的诊断 |
|---|---|---|---|
"""


def chinese_pages() -> dict[str, Callable[[], str]]:
    """Name of each page of docs/zh that is made from the code → the function that makes it."""
    return {"zh/cli": lambda: _in_chinese(_commands), "zh/findings": lambda: _in_chinese(_findings)}


def _in_chinese(make: Callable[[], str]) -> str:
    with language.used("zh"):
        return make()


def _commands() -> str:
    return commands_page(translated(cli, ()), COMMANDS)


def _findings() -> str:
    modules = finding_modules()
    rows = "".join(
        f"| [{module.NAME}](#{module.NAME}) | {_levels(module)} | {_title(module)} |\n" for module in modules
    )
    faults = "".join(
        f"| [{name}](../../pcaps/faults/{name}.pcapng) | {_cell(title_of(name, is_fault=True))} "
        f"| `{_cell(str(fault.breaks))}` | [{fault.finding}](#{fault.finding}) |\n"
        for name in library.files()
        for fault in [library.load(name)]
    )
    return FINDINGS_HEAD + rows + FAULTS_HEAD + faults + "".join(map(_section, modules))


def _levels(module: ModuleType) -> str:
    return "、".join(map(language.term, module.LEVELS))


def _title(module: ModuleType) -> str:
    return _cell(manual(module).title)


def _cell(text: str) -> str:
    return text.rstrip("。").replace("|", "\\|")


def _section(module: ModuleType) -> str:
    page = manual(module)
    lines = [
        f"\n## {module.NAME}\n",
        f"{page.title}\n",
        *(f"**{heading}**：{in_markdown(blocks)}\n" for heading, blocks in page.sections.items()),
        f"- 级别：{_levels(module)}",
    ]
    if module.SCENARIO:
        lines.append(f"- 重现：`capnet scenario {module.SCENARIO} --lab`")
    lines.append(f"- 不报出它的抓包：[{module.WITNESS}](../../{module.WITNESS})")
    if module.EXPLAINS:
        lines.append(f"- 说明了这些症状：{'、'.join(f'[{symptom}](#{symptom})' for symptom in module.EXPLAINS)}")
    return "\n".join(lines) + "\n"
