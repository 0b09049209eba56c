"""What `capnet` and `capnet --help` print: commands by what people want to do, on a screen of 30 lines.

Options take one line here; docs/cli.md and the manual page explain them. Loaded when it is printed.
"""

from __future__ import annotations

import click

from capnet.analysis.core.wording import Text
from capnet.report.text import fill

GROUPS = {
    "Start here": ("demo", "learn", "doctor"),
    "A saved capture": ("analyze", "trace", "packet", "explain", "compare", "reduce", "export", "sql"),
    "Running containers": ("ps", "capture", "watch", "topology", "wireshark"),
    "A network to try things in": ("scenario", "lab"),
}
OTHERS = ("annotate", "fleet", "image", "mcp", "completion", "cache")

_MORE = Text(en="More: {names}", zh="其他：{names}")
_OPTIONS = Text(
    en="Options: -h, --help (also: capnet trace -h); --lang en|zh; -V, --version",
    zh="选项：-h、--help（也可：capnet trace -h）；--lang en|zh；-V、--version",
)


def write_front_page(group: click.Group, context: click.Context, formatter: click.HelpFormatter) -> None:
    """Writes the help of the whole command line; `group` may be the translated one."""
    group.format_usage(context, formatter)
    formatter.write_paragraph()
    with formatter.indentation():
        formatter.write_text((group.help or "").partition("\n\n")[0])
    formatter.write_paragraph()
    width = max(len(name) for names in GROUPS.values() for name in names)
    for heading, names in GROUPS.items():
        commands = [(name, group.get_command(context, name)) for name in names]
        formatter.write_heading(heading)
        with formatter.indentation():
            formatter.write_dl(
                [(f"{name:<{width}}", command.get_short_help_str(200)) for name, command in commands if command]
            )
    for text in (_MORE.fill(names=", ".join(OTHERS)), _OPTIONS.fill()):
        formatter.write("\n".join(fill(text, formatter.width, "", "  ")) + "\n")
