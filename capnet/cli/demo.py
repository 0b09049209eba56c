"""`capnet demo`: a tour of the main commands on captures that come with capnet."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from capnet import language
from capnet.errors import Exit
from capnet.quick_tuple import NamedTuple

if TYPE_CHECKING:
    from capnet.analysis.core.wording import Text


class DemoStep(NamedTuple):
    """A sentence and the command that it is about; {0} in an argument stands for the capture of that name."""

    says: Text
    capture: str
    arguments: Sequence[str]


@click.command("demo", short_help="A tour in two minutes, on captures that come with capnet.")
@click.option("--no-pause", is_flag=True, help="Do not wait for Enter after each step.")
def command(no_pause: bool) -> int:
    """Show the main commands on captures of real Docker networks that come with capnet.

    No Docker, no root and no network are needed, and nothing is written. Each step prints a command and runs it, so
    that you can run it again yourself. On a terminal, Enter goes on and q ends.
    """
    from capnet import language
    from capnet.cli import cli
    from capnet.cli.output import emit, report_columns
    from capnet.learn.captures import shown, stored
    from capnet.report.text import fill

    steps, in_language = _steps(), ["--lang", language.current()]
    for number, step in enumerate(steps, 1):
        file = shown(stored(step.capture)) if step.capture else ""
        arguments = [argument.format(file) for argument in step.arguments]
        printed = shlex.join([*arguments, *(in_language if language.is_chinese() else [])])
        sentence = f"{number}/{len(steps)}  {step.says.fill()}"
        lines = [*[""] * (number > 1), *fill(sentence, report_columns(), "", " " * 5), ""]
        emit("\n".join([*lines, f"$ capnet {printed}"]) + "\n")
        no_pager = ["--no-pager"] if arguments[0] in ("analyze", "trace") else []
        cli.main([*arguments, *no_pager, *in_language], prog_name="capnet", standalone_mode=False)
        if not no_pause and number < len(steps) and not _goes_on():
            return Exit.OK
    emit("\n" + _end().fill())
    return Exit.OK


def _goes_on() -> bool:
    """Waits for Enter on a terminal. False for q and at the end of the input."""
    if sys.stdin is None or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return True
    click.echo(language.message("\n-- Enter goes on, q ends -- "), nl=False)
    line = sys.stdin.readline()
    return line != "" and not line.strip().lower().startswith("q")


def _steps() -> tuple[DemoStep, ...]:
    from capnet.analysis.core.wording import Text

    return (
        DemoStep(
            Text(
                en="Two containers on docker0, recorded at seven points at once. What happened in this capture?",
                zh="docker0 上的两个容器，同时在七个抓包点记录。这个抓包里发生了什么？",
            ),
            "bridge",
            ("analyze", "{0}"),
        ),
        DemoStep(
            Text(
                en="Host B reached web through the published port 8080. Follow that flow from point to point: where "
                "its address, its MACs and its TTL change, and how long each hop takes.",
                zh="主机 B 通过端口映射 8080 访问了 web。逐点跟踪这条流：地址、MAC 和 TTL 在哪里改变，每一跳用了多久。",
            ),
            "bridge",
            ("trace", "{0}", "--flow", "port 8080"),
        ),
        DemoStep(
            Text(
                en="The same port on a network that a firewall rule broke. Why is there no answer?",
                zh="同样的端口，但网络被一条防火墙规则弄坏了。为什么没有应答？",
            ),
            "faults/published-port-blocked",
            ("analyze", "{0}"),
        ),
        DemoStep(
            Text(
                en="What this finding means, when it is wrong, and what to do.",
                zh="这条诊断是什么意思，什么时候不准，该怎么办。",
            ),
            "",
            ("explain", "published-port-blocked"),
        ),
    )


def _end() -> Text:
    from capnet.analysis.core.wording import Text

    return Text(
        en="""Next:
  capnet learn bridge            questions about these packets
  capnet learn                   the other network models
  capnet analyze YOUR.pcapng     a capture of yours
  sudo capnet ps                 your containers, and where each is on the wire
  sudo capnet capture web --report
""",
        zh="""接下来：
  capnet learn bridge --lang zh  关于这些包的问题
  capnet learn --lang zh         其他网络模型
  capnet analyze YOUR.pcapng     分析你自己的抓包
  sudo capnet ps                 你正在运行的容器，以及它们在网络上的位置
  sudo capnet capture web --report
""",
    )
