"""`capnet trace`: one flow, or one packet, hop by hop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import click

from capnet.cli import completions, options
from capnet.errors import Exit, UsageError
from capnet.report.formats import TRACE_FORMATS

if TYPE_CHECKING:
    from capnet.analysis.core.contract.document import Document
    from capnet.analysis.core.results import Path as Path_
    from capnet.analysis.engine import Source, Study
    from capnet.analysis.filters.parser import Expression

MAX_FRAME_DIGITS = 18  # fits int64; Python refuses to parse thousands of digits
MAX_LISTED_FLOWS = 5  # of those that there are, where none matches


@click.command("trace", short_help="Follow a flow or a packet, hop by hop.")
@click.argument("files", nargs=-1, metavar="FILES...", shell_complete=completions.files)
@options.read
@click.option("--flow", "expression", metavar="EXPRESSION", help="Which flows, in the words of pcap-filter; see above.")
@click.option("--frame", "frame", metavar="FILE:N", help="Exactly the packet in this frame; N alone with one file.")
@click.option(
    "--container", shell_complete=completions.containers, metavar="NAME", help="The flows of this container (or host)."
)
@click.option(
    "--point",
    shell_complete=completions.points,
    metavar="NAME",
    help="The flows that were seen at this point: its name, interface or file.",
)
@options.format_(TRACE_FORMATS)
@options.screen
@click.option(
    "--most", type=click.IntRange(min=1), default=10, show_default=True, metavar="N", help="Limit to N flows."
)
@options.output
@options.how_to_read
def command(
    files: tuple[str, ...],
    read: tuple[str, ...],
    expression: str | None,
    frame: str | None,
    container: str | None,
    point: str | None,
    format_: str | None,
    color: str,
    no_pager: bool,
    most: int,
    output: Path | None,
    topology: Path | None,
    vxlan_port: int | None,
) -> int:
    """Show the ladder of flows, there and back: every point they passed, and what happened in between.

    FILES may be named as for `capnet analyze`; several are one capture at several points.

    \b
    capnet trace bridge.pcapng --flow 'host 172.17.0.2 and port 80'
    capnet trace A=left.pcap B=right.pcap --container web
    capnet trace --frame bridge.pcapng:205

    EXPRESSION: host (address, name, Compose service), net, port, portrange with src or dst before them; tcp, udp, icmp
    and other protocols; ether host MAC; vni N; point NAME; id N (ICMP); and, or, not, parentheses. A flow matches if it
    is true at any point on the path, before or after translation. Wireshark's ip.addr == … and tcp.port == … work too.

    Exit codes: 0 a flow matches, 1 none does, 2 wrong usage, 3 unreadable input.
    """
    files = (*read, *files)
    _must_name_one(files, expression, frame, container, point)
    from capnet.cli.inputs import named_sources, problems_of, tell_problems, topology_at
    from capnet.cli.output import chosen_format, report_columns, show

    format_ = chosen_format(format_, output, TRACE_FORMATS)
    sources = list(named_sources((_split_frame(frame)[0],) if frame is not None and not files else files))
    place = None if frame is None else _frame_place(frame, sources)
    parsed = _at_point(point) if point is not None else None if expression is None else _parsed(expression)
    from capnet.analysis.engine import Options, study

    result = study(sources, topology_at(topology), Options(vxlan_port=vxlan_port or 0), links_only=True)
    tell_problems(problems_of(result.report.inputs))
    width, on_screen = report_columns(output), (color, not no_pager) if format_ == "table" else ("never", False)
    if place is not None:
        show(_packet_text(result, *result.find_frame(*place), format_, width), output, *on_screen)
        return Exit.OK
    text, is_found = _flows_text(result, parsed, container, format_, most, width)
    show(text, output, *on_screen)
    return Exit.OK if is_found else Exit.FINDING


def _must_name_one(files: Sequence[str], expression: str | None, frame: str | None, *others: str | None) -> None:
    if sum(option is not None for option in (expression, frame, *others)) > 1:
        raise UsageError("choose one of --flow, --frame, --container and --point")
    if not files and frame is None:
        raise UsageError("name a capture: capnet trace FILES…, or --frame FILE:N")


# -- flows --------------------------------------------------------------------------------------------
def _parsed(expression: str) -> Expression:
    from capnet.analysis.filters.parser import parse

    return parse(expression)


def _at_point(name: str) -> Expression:
    from capnet.analysis.filters.parser import at_point

    return at_point(name)


def _flows_text(
    study: Study, expression: Expression | None, container: str | None, format_: str, most: int, width: int
) -> tuple[str, bool]:
    """The conversations that `expression` or `container` selects, at most `most`, as text; and are there any?"""
    from capnet.analysis.core.contract.document import plain
    from capnet.analysis.facts.conversations import conversations
    from capnet.analysis.facts.outcomes.fates import fate_facts
    from capnet.analysis.facts.paths import chain_paths
    from capnet.analysis.filters.names import addresses_of, name_hint
    from capnet.analysis.filters.parser import at_host
    from capnet.cli import trace_formats
    from capnet.report.fate_words import with_fates

    context = study.context
    if container is not None:
        if addresses_of(context, container) is None:
            raise UsageError(f"--container {container}: no station has this name; {name_hint(context, container)}")
        expression = at_host(container)
    asked = f"container {container}" if container else expression.text if expression else ""
    chosen, total = conversations(context, expression.flows(context) if expression else None, most)
    shown = [
        tuple(
            [path for row in rows for path in chain_paths(context, row)]
            for rows in (conversation.forward, conversation.backward)
        )
        for conversation in chosen
    ]
    paths = [path for directions in shown for direction in directions for path in direction]
    if format_ == "json":
        return _json(study, paths, None), bool(paths)
    if not paths:
        return trace_formats.no_match(format_, _no_flow_text(study, asked, width)), False
    shown_plain = plain(shown, study.report.inputs)
    failing = {"fates": plain(fate_facts(context), study.report.inputs)}
    with_fates(failing, (path for directions in shown_plain for direction in directions for path in direction))
    return trace_formats.flows(format_, study, _only_paths(study), shown_plain, total, asked, width), True


def _no_flow_text(study: Study, asked: str, width: int) -> str:
    """That nothing matches, and the biggest flows that there are."""
    from capnet import language
    from capnet.analysis.core.wording import Text
    from capnet.report.escape import visible, visible_all
    from capnet.report.text import count, fill, listing
    from capnet.report.words import Words

    report = visible_all(study.report.to_dict(only=("flows",)))
    words = Words(report["names"])
    flows = report["flows"]
    nothing = Text(en="There are no flows in this capture.", zh="这次抓包中没有流。").fill()
    no_match = Text(en="No flow matches: {asked}", zh="没有流匹配：{asked}").fill(asked=visible(asked))
    lines = fill(no_match if asked else nothing, width)
    if flows["count"]:
        biggest = dict.fromkeys(f"  {flow['proto']} {words.flow(flow)}" for flow in flows["top"])
        verb = "is" if flows["count"] == 1 else "are"
        total = Text(en="There {verb} {flows}, the biggest:", zh="共有 {flows}，最大的是：")
        lines += ["", total.fill(verb=verb, flows=count(flows["count"], "flow"))]
        lines += list(biggest)[:MAX_LISTED_FLOWS]
        names = sorted(set(report["names"].values()))
        if names:
            lines += fill(language.labelled("Names", listing(names, 12)), width)
    return "\n".join(lines) + "\n"


# -- one packet -----------------------------------------------------------------------------------------
def _split_frame(given: str) -> tuple[str, int]:
    """`FILE:N` → (FILE, N)."""
    file, colon, number = given.rpartition(":")
    if not number.isdecimal() or len(number) > MAX_FRAME_DIGITS or int(number) < 1 or (colon and not file):
        raise UsageError(f"--frame {given}: write FILE:N, N counted from 1 as Wireshark counts")
    if not colon:
        raise UsageError(f"--frame {given}: which file? write FILE:{number}")
    return file, int(number)


def _frame_place(given: str, sources: Sequence[Source]) -> tuple[str, int]:
    """`FILE:N` → (label of the source, N). FILE may be the last parts of a path that only one source has."""
    if any(source.path is None for source in sources):
        raise UsageError("--frame reads the capture twice, which standard input cannot be; save it first")
    if given.isdecimal() and len(given) <= MAX_FRAME_DIGITS and int(given) and len(sources) == 1:
        return sources[0].label, int(given)
    file, number = _split_frame(given)
    exact = [index for index, source in enumerate(sources) if file in (source.label, source.point_name)]
    parts = PurePath(file).parts
    tails = [
        index for index, source in enumerate(sources) if parts and PurePath(source.label).parts[-len(parts) :] == parts
    ]
    indices = exact or tails
    if len(indices) != 1:
        why = "is more than one of the inputs" if indices else "is in none of the inputs"
        raise UsageError(f"--frame {given}: {file} {why}: {', '.join(source.label for source in sources)}")
    return sources[indices[0]].label, number


def _packet_text(study: Study, source: int, frame: int, format_: str, width: int) -> str:
    """The packet in this frame at every point, as text in this format."""
    from capnet.analysis.core.contract.document import plain
    from capnet.analysis.facts.paths import path_from
    from capnet.analysis.trace.packet_trace import follow_packet

    journey = follow_packet(study, source, frame)
    packet = plain(journey, study.report.inputs)
    del packet["start"]
    if format_ == "json":
        return _json(study, [path_from(study.context, journey.start)], packet)
    from capnet.cli import trace_formats

    return trace_formats.packet(format_, study, _only_paths(study), packet, width)


# -- shared -----------------------------------------------------------------------------------------------
def _only_paths(study: Study, paths: Sequence[Path_] = ()) -> Document:
    """The document with these paths and nothing else that takes time to write."""
    from capnet.analysis.fact_tables.fact_list import as_tables

    facts = as_tables({"paths": paths, "points": study.report.points})
    report = replace(study.report, models=[], macs=[], proxies=[], **facts)
    return report.to_dict(only=("paths",))


def _json(study: Study, paths: Sequence[Path_], packet: Document | None) -> str:
    from capnet.report.formats.json import render

    document = _only_paths(study, paths)
    if packet is not None:
        document["packet"] = packet
    return render(document)
