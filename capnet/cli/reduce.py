"""`capnet reduce`: the smallest capture that still has a finding, for a bug report."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from capnet import language
from capnet.analysis.core.wording import Text
from capnet.cli import completions, options
from capnet.errors import Exit, UsageError

if TYPE_CHECKING:
    from capnet.reduce.reduction import Reduced

MAX_ANALYSES = 20_000  # a bound beside the time limit


@click.command("reduce", short_help="The smallest capture that still has a finding, anonymised.")
@click.argument("files", nargs=-1, metavar="FILES...", shell_complete=completions.files)
@options.read
@click.option(
    "--finding", required=True, metavar="NAME", shell_complete=completions.findings, help="Which finding must stay."
)
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), metavar="FILE", help="Write this pcapng file."
)
@click.option(
    "--limit",
    type=click.IntRange(1, 86_400),
    default=60,
    show_default=True,
    metavar="SECONDS",
    help="End the search then, and write the smallest capture so far.",
)
@click.option("--keep-addresses", is_flag=True, help="Replace no addresses, names and payload.")
@options.how_to_read
def command(
    files: tuple[str, ...],
    read: tuple[str, ...],
    finding: str,
    output: Path,
    limit: int,
    keep_addresses: bool,
    topology: Path | None,
    vxlan_port: int | None,
) -> int:
    """Write the least of FILES that still gives a finding: what to attach to a bug report.

    Points, conversations and packets are left out as long as the analysis still reports the finding. IP and MAC
    addresses, names and payload are replaced by others; subnets, private and global addresses, ports, lengths and times
    stay what they are, and right checksums stay right. Each step is proven by analyzing its result. A topology and
    witnesses are written beside FILE if the finding needs them. docs/howto/bug-report.md says what stays.

    \b
    capnet reduce fault.pcapng --finding published-port-blocked -o small.pcapng
    capnet reduce A=left.pcap B=right.pcap --finding stops-between -o small.pcapng --limit 300

    Exit codes: 0 written, 1 the finding is lost without addresses and names, 2 wrong usage, 3 unreadable input.
    """
    files = (*read, *files)
    if not files:
        raise UsageError("name a capture: capnet reduce FILES… --finding NAME -o FILE")
    if output.suffix != ".pcapng":
        raise UsageError(f"--output {output}: reduce writes pcapng; name it {output.stem}.pcapng")
    from capnet.analysis.engine import Options, study
    from capnet.cli.inputs import named_sources, problems_of, tell_problems, topology_at
    from capnet.reduce.frames import must_be_files
    from capnet.reduce.reduction import reduce
    from capnet.reduce.search import Budget

    sources = list(named_sources(files))
    must_be_files(sources)
    _must_be_other(output, [path for source in sources for path in (source.path, *source.later) if path])
    result = study(sources, topology_at(topology), Options(vxlan_port=vxlan_port or 0))
    tell_problems(problems_of(result.report.inputs))
    begin = time.monotonic()
    budget = Budget(MAX_ANALYSES, lambda: time.monotonic() - begin > limit)
    reduced = reduce(result, finding, budget, keep_addresses, _tell)
    write(reduced, output)
    click.echo(_summary(reduced, output, time.monotonic() - begin, limit, keep_addresses))
    return Exit.OK


def _tell(step: str) -> None:
    click.echo(f"capnet: {language.message(step)}", err=True)


def _must_be_other(output: Path, inputs: list[Path]) -> None:
    """Raise UsageError if the output or what lies beside it is an input's: `a.topology.json` is of `a.pcap` too."""
    from capnet.cli.path_tests import is_any_of
    from capnet.topology import topology_path

    if is_any_of(output, inputs):
        raise UsageError(f"{output}: is the input, which reduce never overwrites; choose another name")
    for path in inputs:
        if topology_path(path.resolve()) == topology_path(output.resolve()):
            raise UsageError(f"{output}: its topology would have the name of that of {path}; choose another name")


def write(reduced: Reduced, output: Path) -> None:
    """Write the capture, and beside it the topology and the witnesses that its finding needs."""
    from capnet.topology import topology_path, witnesses_path
    from capnet.whole_file import not_written, whole

    try:
        with whole(output, private=True) as file:
            file.write(reduced.capture)
        for beside, part in (
            (topology_path(output), reduced.topology),
            (witnesses_path(output), reduced.witnesses),
        ):
            if part:
                with whole(beside, private=True) as file:
                    file.write(part.to_json().encode())
            else:
                beside.unlink(missing_ok=True)  # of another capture of this name: it would be read with this one
    except OSError as error:
        raise not_written(output, error) from error


def _summary(reduced: Reduced, output: Path, seconds: float, limit: int, keep: bool) -> str:
    """What was written, in sentences."""
    from capnet.cli.output import UNWRAPPED, terminal_columns
    from capnet.report.escape import visible
    from capnet.report.text import count, duration, fill, number

    def kept(value: int, noun: str) -> str:
        """`2`, of what is named after it; in Chinese with its measure word."""
        return language.pick(number(value), count(value, noun))

    written = Text(
        en="{file}: {packets} of {all}, {points} of {all_points}; {trials} analyses in {time}.",
        zh="{file}：{all}减到 {packets}，{all_points}减到 {points}；分析了 {trials} 次，用时 {time}。",
    ).fill(
        file=output, packets=kept(reduced.packets[1], "packet"), all=count(reduced.packets[0], "packet"),
        points=kept(reduced.points[1], "point"), all_points=count(reduced.points[0], "point"),
        trials=reduced.trials, time=duration(seconds * 1e6),
    )  # fmt: skip
    finding = Text(en="It still says: {says}", zh="它仍然说明：{says}").fill(
        says=language.sentence(reduced.finding.says)
    )
    lines = [written, finding]
    if reduced.topology:
        lines.append(Text(en="A topology lies beside it.", zh="旁边有一份拓扑。").fill())
    if reduced.witnesses:
        beside = Text(
            en="Witnesses lie beside it: what the kernels' rules and counters said of these packets.",
            zh="旁边有一份见证文件：内核的规则和计数器对这些数据包的记录。",
        )
        lines.append(beside.fill())
    if not reduced.is_smallest:
        late = Text(
            en="The search stopped after {limit} s: it may get smaller with --limit.",
            zh="搜索在 {limit} 秒后停止：用 --limit 也许可以更小。",
        )
        lines.append(late.fill(limit=limit))
    unchanged = Text(
        en="Addresses, names and payload are those of the capture: look at it before you hand it on.",
        zh="地址、名称和载荷都是原来的：转交之前请先查看。",
    )
    replaced = Text(
        en="Addresses, names and payload are replaced; times, ports and lengths are those of the capture.",
        zh="地址、名称和载荷已被替换；时间、端口和长度是原来的。",
    )
    lines.append((unchanged if keep else replaced).fill())
    width = terminal_columns() or UNWRAPPED
    return "\n".join(part for line in lines for part in fill(visible(line), width))
