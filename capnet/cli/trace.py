"""`capnet trace`: one flow, or one packet, hop by hop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import click

from capnet.cli import options
from capnet.errors import Exit, UsageError
from capnet.report.formats import TRACE_FORMATS

if TYPE_CHECKING:
    from capnet.analysis.engine import Source, Study

MOST_DIGITS = 18  # of a frame's number: Python refuses to read one of thousands


@click.command("trace", short_help="Follow a flow or a packet, hop by hop.")
@click.argument("files", nargs=-1, metavar="FILES...")
@click.option("--flow", "expression", metavar="EXPRESSION", help="Which flows, in the words of pcap-filter; see above.")
@click.option("--frame", "frame", metavar="FILE:N", help="Exactly the packet in this frame; N alone with one file.")
@click.option("--container", metavar="NAME", help="The flows of this container (or host).")
@options.format_(TRACE_FORMATS)
@click.option(
    "--most", type=click.IntRange(min=1), default=10, show_default=True, metavar="N", help="Show so many flows at most."
)
@options.output
@options.how_to_read
def command(
    files: tuple[str, ...],
    expression: str | None,
    frame: str | None,
    container: str | None,
    format_: str,
    most: int,
    output: Path | None,
    topology: Path | None,
    vxlan_port: int | None,
) -> int:
    """Show the ladder of flows, there and back: every point they passed, and what happened in between.

    FILES may be named as for `capnet analyze`; several are one capture heard at several points.

    \b
    capnet trace bridge.pcapng --flow 'host 172.17.0.2 and port 80'
    capnet trace A=left.pcap B=right.pcap --container web
    capnet trace --frame bridge.pcapng:205

    EXPRESSION: host, net, port, portrange with src or dst before them; tcp, udp, icmp and other protocols; ether host
    MAC; vni N; point NAME; id N (ICMP); and, or, not and parentheses. Containers and hosts by name are hosts. A word
    holds when it holds at any hop, before or after translation. Wireshark's ip.addr == … and tcp.port == … work too.
    """
    if sum(each is not None for each in (expression, frame, container)) > 1:
        raise UsageError("choose one of --flow, --frame and --container")
    if not files and frame is None:
        raise UsageError("name a capture: capnet trace FILES…, or --frame FILE:N")

    from capnet.cli.inputs import named_sources, topology_at

    if not files and frame is not None:
        files = (_split_frame(frame)[0],)
    sources = list(named_sources(files))
    if frame is not None and any(each.path is None for each in sources):
        raise UsageError("--frame reads the capture twice, which standard input cannot be; save it first")
    wanted = None if frame is None else _frame(frame, sources)
    parsed = None
    if expression is not None:
        from capnet.analysis.filters.parser import parse

        parsed = parse(expression)

    from capnet.analysis.engine import Options, study

    found = study(sources, topology_at(topology), Options(vxlan_port=vxlan_port or 0), links_only=True)
    from capnet.cli.output import emit, report_columns

    width = report_columns(output)
    if wanted is not None:
        text = _packet(found, *wanted, format_, width)
    else:
        text = _flows(found, parsed, container, format_, most, width)
    emit(text, output)
    return Exit.OK


# -- flows --------------------------------------------------------------------------------------------
def _flows(study: Study, parsed: Any, container: str | None, format_: str, most: int, width: int) -> str:
    from capnet.analysis.facts.conversations import conversations
    from capnet.analysis.facts.paths import chain_paths
    from capnet.analysis.filters.names import addresses_of, name_hint
    from capnet.analysis.filters.parser import at_host

    context = study.context
    if container is not None:
        if addresses_of(context, container) is None:
            raise UsageError(f"--container {container}: nobody has this name; {name_hint(context, container)}")
        parsed = at_host(container)
    asked = parsed.text if parsed and container is None else f"container {container}" if container else ""
    mask = parsed.flows(context) if parsed else None
    chosen, total = conversations(context, mask, most)
    shown = [
        tuple([path for row in way for path in chain_paths(context, row)] for way in (each.forward, each.backward))
        for each in chosen
    ]
    paths = [path for there, back in shown for path in (*there, *back)]
    if format_ == "json":
        return _json(study, paths, None)
    if not paths:
        return _nothing(study, asked, width)
    from capnet.report.document import document, plain
    from capnet.report.drawing.text_path import render_flows

    head = document(_bare(study), only=("paths",))
    return render_flows(head, plain(shown, study.report), total, asked, width)


def _nothing(study: Study, asked: str, width: int) -> str:
    """What was looked for, and what there is."""
    from capnet.report.document import document
    from capnet.report.escape import visible, visible_all
    from capnet.report.text import count, fill, listing
    from capnet.report.words import Words

    report = visible_all(document(study.report, only=("flows",)))
    words = Words(report["names"])
    flows = report["flows"]
    lines = fill(f"No flow matches: {visible(asked)}" if asked else "There are no flows in this capture.", width)
    if flows["count"]:
        top = [f"  {each['proto']} {words.flow(each)}" for each in flows["top"]]
        shown = list(dict.fromkeys(top))[:5]
        lines += ["", f"There {'is' if flows['count'] == 1 else 'are'} {count(flows['count'], 'flow')}, the biggest:"]
        lines += shown
        names = sorted(set(report["names"].values()))
        if names:
            lines += fill("Names: " + listing(names, 12), width)
    return "\n".join(lines) + "\n"


# -- one packet -----------------------------------------------------------------------------------------
def _split_frame(given: str) -> tuple[str, int]:
    file, colon, number = given.rpartition(":")
    if not number.isdecimal() or len(number) > MOST_DIGITS or int(number) < 1 or (colon and not file):
        raise UsageError(f"--frame {given}: write FILE:N, N counted from 1 as Wireshark counts")
    if not colon:
        raise UsageError(f"--frame {given}: which file? write FILE:{number}")
    return file, int(number)


def _frame(given: str, sources: Sequence[Source]) -> tuple[int, int]:
    """`FILE:N` → number of the source and of the frame. FILE may be shortened to what tells it from the others."""
    if given.isdecimal() and len(given) <= MOST_DIGITS and int(given) and len(sources) == 1:
        return 0, int(given)
    file, number = _split_frame(given)
    exact = [index for index, each in enumerate(sources) if file in (each.label, each.point_name)]
    wanted = PurePath(file).parts
    tails = [
        index for index, each in enumerate(sources) if PurePath(each.label).parts[-len(wanted) :] == wanted and wanted
    ]
    found = exact or tails
    if len(found) != 1:
        why = "is in none of the inputs" if not found else "is more than one of the inputs"
        raise UsageError(f"--frame {given}: {file} {why}: {', '.join(each.label for each in sources)}")
    return found[0], number


def _packet(study: Study, source: int, frame: int, format_: str, width: int) -> str:
    from capnet.analysis.facts.paths import path_from
    from capnet.analysis.trace.packet_trace import follow_packet
    from capnet.report.document import document, plain

    journey = follow_packet(study, source, frame)
    packet = plain(journey, study.report)
    del packet["start"]
    if format_ == "json":
        return _json(study, [path_from(study.context, journey.start)], packet)
    from capnet.report.drawing.text_path import render_packet

    return render_packet(document(_bare(study), only=("paths",)), packet, width)


# -- shared -----------------------------------------------------------------------------------------------
def _bare(study: Study, paths: Sequence[Any] = ()) -> Any:
    """The report with these paths and nothing else that takes time to write."""
    return replace(
        study.report, models=[], stations=[], macs=[], nat=[], proxies=[], tunnels=[], findings=[], paths=list(paths)
    )


def _json(study: Study, paths: Sequence[Any], packet: Any) -> str:
    from capnet.report.document import document
    from capnet.report.formats.json import render

    found = document(_bare(study, paths), only=("paths",))
    if packet is not None:
        found["packet"] = packet
    return render(found)
