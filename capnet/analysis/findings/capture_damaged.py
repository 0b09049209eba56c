"""capture-damaged: a file is cut off or damaged.

Looks at: what the reader of the file could not read: a record that is cut off, a length that cannot be, a broken
compressed stream. Not what capnet does not read: another version of pcapng, or more sections than it takes.
Says: in which file, where, what is wrong there, and how many frames could be read.
Wrong when: the file is still being written, and its last record is not complete yet.
Fix: stop the capture program with SIGINT or SIGTERM, not with SIGKILL, and copy the file again. Where the damage is not
at the end, bytes were changed later: copy it in binary, as a transfer as text and git may change ends of lines.
Verify: `capinfos FILE` reports the same damage.
"""

from __future__ import annotations

from capnet import language
from capnet.analysis.core.context import Context
from capnet.analysis.core.contract.document import short_names
from capnet.analysis.core.results import Evidence, Finding, Input, Problem
from capnet.analysis.core.wording import Text, finding_name

NAME = finding_name(__name__)
LEVELS = ("warning",)
SCENARIO = None  # a scenario ends its capture in order
WITNESS = "pcaps/bridge.pcapng"  # ends with its last record
EXPLAINS = ()

PAGE_ZH = """文件被截断或损坏。

检查：文件读取器未能读出的部分：被截断的记录、不可能的长度、损坏的压缩流。不包括 capnet 不读的内容：其他版本的
pcapng，或超过上限的 section。
结论：哪个文件、何处、有什么问题，能读出多少帧。
误判：文件仍在写入，最后一条记录还不完整。
处理：用 SIGINT 或 SIGTERM 而不是 SIGKILL 结束抓包程序，并重新复制文件。损坏不在末尾时，字节是后来被改动的：以二进制方
式复制，因为文本方式的传输和 git 可能改动行尾。
验证：`capinfos FILE` 报告同样的损坏。
"""

SAYS = Text(
    en="{file} is damaged in {places:place}, first at byte {offset}: {damage}; {packets:frame} could be read",
    zh="{file} 有 {places} 处损坏，第一处在第 {offset} 字节：{damage}；能读出 {packets} 帧",
)
FIX = Text(
    en="stop the capture program with SIGINT or SIGTERM so that it writes its last record; copy the file again",
    zh="用 SIGINT 或 SIGTERM 结束抓包程序，使它写完最后一条记录；重新复制文件",
)

FIX_INSIDE = Text(
    en="copy the file again, in binary: a transfer as text, or git that takes it for text, changes bytes that look "
    "like ends of lines (`*.pcap binary` in .gitattributes)",
    zh="以二进制方式重新复制文件：文本方式的传输，或把它当作文本的 git，会改动看似行尾的字节（在 .gitattributes 中写 "
    "`*.pcap binary`）",
)

DAMAGE = ("truncated-file", "damaged-file", "damaged-options", "broken-compression")  # names of problems


def diagnose(context: Context) -> list[Finding]:
    damaged = ((source, [each for each in source.problems if each.name in DAMAGE]) for source in context.inputs)
    return [_finding(context, source, problems) for source, problems in damaged if problems]


def _finding(context: Context, source: Input, problems: list[Problem]) -> Finding:
    first = problems[0]
    file = short_names(other.file for other in context.inputs)[source.file]
    facts = {"file": file, "problems": [problem.name for problem in problems[:10]], "offset": first.offset}
    says = SAYS.fill(
        file=file,
        places=len(problems),
        offset=f"{first.offset:,}",
        packets=source.packets,
        damage=language.message(first.says.rstrip(".")),
    )
    first_file = next((first for first, numbers in context.series.items() if source.file in numbers.files), source.file)
    points = [point.name for point in context.points if point.file == first_file]
    # With several points, it is not known which one the last frame is of.
    evidence = [Evidence(points[0], source.file, source.packets)] if len(points) == 1 and source.packets else []
    fix = FIX_INSIDE if first.name == "damaged-file" else FIX
    return Finding(NAME, "warning", says, fix.fill(), dict(facts), evidence, count=len(problems))
