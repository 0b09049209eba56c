"""A flow or a packet from point to point, a line for each hop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from capnet.analysis.core.contract.document import Document, plain
from capnet.analysis.facts.conversations import conversations
from capnet.analysis.facts.paths import chain_paths
from capnet.analysis.filters.names import addresses_of, name_hint
from capnet.analysis.filters.parser import Expression, at_host, parse
from capnet.analysis.trace.packet_trace import follow_packet
from capnet.errors import UsageError
from capnet.mcp.answers.statement import statement
from capnet.mcp.captures import OpenedCapture
from capnet.mcp.fence import stripped_all
from capnet.report.drawing.packet_path import sighting_changes
from capnet.report.fate_words import answers, ending
from capnet.report.text import count, delay

MAX_CONVERSATIONS = 10


def trace_flows(capture: OpenedCapture, expression: str, most: int) -> list[str]:
    """The conversations that a flow expression selects, there and back. UsageError for a wrong expression."""
    return _flows(capture, parse(expression) if expression else None, most)


def trace_container(capture: OpenedCapture, name: str, most: int) -> list[str]:
    """The conversations of a container, host or address; UsageError if none has this name."""
    context = capture.study.context
    if addresses_of(context, name) is None:
        raise UsageError(f"no station has this name; {name_hint(context, name)}")
    return _flows(capture, at_host(name), most)


def trace_frame(capture: OpenedCapture, file: str, frame: int) -> list[str]:
    """Where the packet of this frame was seen; `file` may be empty if there is one. UsageError."""
    study = capture.study
    labels = [part.label for source in study.sources for part in source.parts]
    chosen = [label for label in labels if label == file or label.endswith(f"/{file}")] if file else labels
    if len(chosen) != 1:
        raise UsageError(f"file: name one of the {len(labels)} files of this capture, as `open` lists them")
    journey = stripped_all(plain(follow_packet(study, *study.find_frame(chosen[0], frame)), study.report.inputs))
    sightings = journey["frames"]
    lines = [f"{journey['proto']}: {count(len(sightings), 'sighting')} of this packet"]
    changes = sighting_changes(sightings, journey["reply"], capture.words)
    for sighting, change in zip(sightings, changes, strict=True):
        steps = [", ".join(change), *(_difference(row) for row in sighting["differs"])]
        if sighting["delta_us"] is not None:
            steps.append(f"after {delay(sighting['delta_us'])}")
        lines.append(statement(capture, _hop(capture, sighting, steps), [sighting]))
    for point in journey["missing"]:
        lines.append(statement(capture, f"not seen at {point}, which captured then", [journey["asked"]]))
    return lines


def _difference(row: Document) -> str:
    return f"{row['field']} {row['before']} → {row['after']}"


def _flows(capture: OpenedCapture, expression: Expression | None, most: int) -> list[str]:
    context = capture.study.context
    mask = expression.flows(context) if expression else None
    chosen, total = conversations(context, mask, min(most, MAX_CONVERSATIONS))
    lines: list[str] = []
    for conversation in chosen:
        for direction, rows in (("there", conversation.forward), ("back", conversation.backward)):
            paths = [path for row in rows for path in chain_paths(context, row)]
            for path in stripped_all(plain(paths, capture.study.report.inputs)):
                lines += _path(capture, direction, path)
    if not lines:
        return [statement(capture, "no flow matches", [])]
    if total > len(chosen):
        lines.append(f"({total - len(chosen)} more conversations match; narrow the expression)")
    return lines


def _path(capture: OpenedCapture, direction: str, path: Document) -> Iterator[str]:
    hops, words = path["hops"], capture.words
    flow = words.flow({**hops[0], **path["flow"]}, hops[0]["point"])
    outcome = "; ".join([ending(path), *answers(path["answers"], words)])
    shown = [*path["evidence"], *(frame for answer in path["answers"] for frame in answer["evidence"])]
    yield statement(capture, f"{direction}: {path['proto']} {flow}: {outcome}", shown)
    evidence = _by_hop(path)
    for index, hop in enumerate(hops):
        steps = [f"{hop['packets']} packets"]
        if index:
            before = hops[index - 1]
            steps = [*words.changes(before, hop, path["reply"]), *_measured(hop), *steps]
        yield "  " + statement(capture, _hop(capture, hop, steps), evidence[index])


def _by_hop(path: Document) -> list[list[Document]]:
    """The evidence of each hop: its frame, or those of its point where the document has fewer than hops."""
    hops, evidence = path["hops"], path["evidence"]
    if [frame["point"] for frame in evidence] == [hop["point"] for hop in hops]:
        return [[frame] for frame in evidence]
    return [[frame for frame in evidence if frame["point"] == hop["point"]] or evidence for hop in hops]


def _hop(capture: OpenedCapture, hop: Document, steps: Sequence[str]) -> str:
    ttl = "" if hop["ttl"] is None else f", TTL {hop['ttl']}"
    flow = capture.words.flow(hop)
    return f"at {hop['point']}: {flow}{ttl}" + "".join(f", {step}" for step in steps if step)


def _measured(hop: Document) -> Iterator[str]:
    if hop["delta_us"]:
        yield f"after {delay(hop['delta_us']['median'])}"
    if hop["lost"]:
        yield f"{hop['lost']} lost"
