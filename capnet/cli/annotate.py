"""`capnet annotate`: a capture in, the same capture out, with ids and comments for Wireshark."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import click

from capnet import language
from capnet.cli import options
from capnet.cli.path_tests import is_any_of, is_folder, is_plain, is_there
from capnet.errors import Exit, UsageError
from capnet.export.writers import COMPRESSED


@click.command("annotate", short_help="Mark the same packet at every point, for Wireshark.")
@click.argument("files", nargs=-1, required=True, metavar="FILES...")
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="OUT.pcapng",
    help="Write the capture to FILE (atomically); - is stdout.",
)
@options.how_to_read
def command(files: tuple[str, ...], output: str, topology: Path | None, vxlan_port: int | None) -> int:
    """Write FILES as one pcapng in which the same packet has the same id wherever it was seen.

    Wireshark shows the id as frame.packet_id, and what happened to a packet since the point before (rewritten, routed,
    wrapped) as a comment. Frames, their order, comments and interfaces stay; names of addresses are added. Several
    files are merged by time, an interface each. FILES may be named as for `capnet analyze`, but not standard input.

    \b
    capnet annotate bridge.pcapng -o marked.pcapng && wireshark marked.pcapng
    tshark -r marked.pcapng -T fields -e frame.packet_id -e frame.comment
    """
    from capnet.cli.inputs import named_sources, problems_of, tell_problems, topology_at
    from capnet.interrupts import Interruptible
    from capnet.whole_file import not_written, whole

    sources = list(named_sources(files))
    if any(each.path is None for each in sources):
        raise UsageError("- (standard input) cannot be annotated: the capture is read twice; save it first")
    given_topology = topology_at(topology)
    target = _target(output, [each.path for each in sources if each.path])

    from capnet.analysis.engine import Options, study
    from capnet.record.bundle.annotation.annotate import annotate
    from capnet.record.bundle.annotation.other_blocks import SourceBlocks
    from capnet.report.text import count, number

    with Interruptible():
        source_blocks = SourceBlocks()
        result = study(
            sources, given_topology, Options(vxlan_port=vxlan_port or 0), on_block=source_blocks.see, links_only=True
        )
        if isinstance(target, Path):
            try:
                with whole(target) as file:
                    written = annotate(result, source_blocks, file.write)
            except OSError as error:
                raise not_written(target, error) from error
        else:
            written = annotate(result, source_blocks, target.write)
            target.flush()
    tell_problems(problems_of(result.report.inputs))
    one_in = result.report.correlation["one_in"]
    done = (
        f"{count(written.frames, 'frame')} written, {number(written.named)} with an id, "
        f"{number(written.commented)} with a comment"
    )
    compared = f"; 1 in {one_in} packets was compared, and the first one of every flow" if one_in != 1 else ""
    click.echo(language.message(done + compared), err=True)
    return Exit.OK


def _target(output: str, inputs: list[Path]) -> Path | BinaryIO:
    """Where to write: a path that may be replaced, or standard output when that is no terminal."""
    if output == "-":
        from capnet.cli.output import binary_stdout

        return binary_stdout("a capture")
    path = Path(output)
    if is_folder(path):
        raise UsageError(f"{output}: is a folder; name a file in it")
    if is_any_of(path, inputs):
        raise UsageError(f"{output}: is the input, which annotate never overwrites; choose another name")
    if is_there(path) and not is_plain(path):
        try:
            stream = path.open("wb")
        except OSError as error:
            raise UsageError(f"{output}: cannot be written ({error.strerror or error})") from error
        if stream.isatty():
            stream.close()
            raise UsageError(f"{output}: would write a capture to the terminal; name a file")
        return stream
    if path.suffix.lower() in COMPRESSED:
        raise UsageError(f"{output}: annotate writes plain pcapng; call it .pcapng and compress it afterwards")
    if path.suffix.lower() in (".pcap", ".cap"):  # has no room for ids and comments
        raise UsageError(f"--output {output}: annotate writes pcapng; name it {path.stem}.pcapng")
    return path
