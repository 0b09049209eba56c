"""The report of one analysis, and the JSON contract `capnet.report/1` that it is written as."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import KW_ONLY, field
from typing import Any

from capnet import __version__
from capnet.analysis.core.contract import order
from capnet.analysis.core.contract.document import Document, Plain
from capnet.analysis.core.contract.facts import Facts
from capnet.analysis.core.contract.keys import ALWAYS, LEVELS, SCHEMA, SECTIONS
from capnet.analysis.core.contract.model import Model
from capnet.analysis.core.contract.outcomes import Fate, IcmpErrorMessage, KernelReason, Neighbour, Proxy
from capnet.analysis.core.contract.volume import Conversation, ProtocolShare
from capnet.analysis.core.results import Coverage, Finding, Flows, Input, MacVerdict, Nat, Path, Point, Station, Tunnel
from capnet.quick_dataclass import value

MAX_REPR_INPUTS = 3  # files that a Report shows of itself


def _no_facts() -> Any:
    return []


@value
class Report:
    """What one analysis found: lists of small dataclasses, most of which are tables too, as `report.nat.to_pandas()`.

    inputs       the files: size, packets, time, and what is damaged in them
    points       the points at which packets were captured
    models       which of Docker's networks this is, how surely, and why
    stations     MAC addresses, and the addresses they speak for
    macs         verdicts on MACs: shared, distinct, a router's, two with one address
    nat          translations: before, after, and where each was seen
    proxies      pairs of connections with one payload: docker-proxy
    tunnels      VXLAN and others: ends, VNI, who is inside
    paths        flows hop by hop: what was changed, how long it took, what was lost
    flows        how many there are, and the biggest
    findings     judgements: name, level, a sentence, evidence, what to do
    fates        what became of each flow: delivered, where it stops, what answered
    icmp_errors  ICMP errors: who sent them to whom, about which packet
    neighbours   who asked for whose MAC address, by ARP or Neighbor Discovery, and who answered
    kernel       what the kernels say of packets that do not arrive: the rule, or the counter
    conversations  both directions of the largest connections: how they ended, how much, how long
    protocols    the share of each protocol, from the network layer inwards
    coverage     how many frames were decoded, and why the others were not
    names        address → the name a person would use for it
    names_at     point → address → name, for addresses that several hosts have
    correlation  whether all packets were compared across points, or which share; flows without an answer; with
                 --why, in `ambiguous_drops`, reason → packets that the kernel dropped and that fit several frames
    """

    _: KW_ONLY
    inputs: list[Input]
    points: Facts[Point]
    models: list[Model] = field(default_factory=list)
    stations: Facts[Station] = field(default_factory=_no_facts)
    macs: list[MacVerdict] = field(default_factory=list)
    nat: Facts[Nat] = field(default_factory=_no_facts)
    proxies: list[Proxy] = field(default_factory=list)
    tunnels: Facts[Tunnel] = field(default_factory=_no_facts)
    paths: Facts[Path] = field(default_factory=_no_facts)
    flows: Flows
    findings: Facts[Finding] = field(default_factory=_no_facts)
    fates: list[Fate] = field(default_factory=list)
    icmp_errors: list[IcmpErrorMessage] = field(default_factory=list)
    neighbours: list[Neighbour] = field(default_factory=list)
    kernel: list[KernelReason] = field(default_factory=list)
    conversations: Facts[Conversation] = field(default_factory=_no_facts)
    protocols: Facts[ProtocolShare] = field(default_factory=_no_facts)
    coverage: Coverage
    names: dict[str, str] = field(default_factory=dict)
    names_at: dict[str, dict[str, str]] = field(default_factory=dict)
    correlation: dict[str, object] = field(default_factory=dict)

    def to_dict(self, only: Collection[str] = (), *, lazily: bool = False) -> Document:
        """The report as plain dictionaries, in the form of the JSON contract (docs/report.md).

        `only`: the sections to keep, beside those that every report has; () = all. `lazily`: rows that are many may be
        `PrintedRows` instead of a list. Raises ValueError for a section that there is not.
        """
        wanted = (only,) if isinstance(only, str) else only
        plain = Plain(self.inputs)
        document: Document = {"schema": SCHEMA, "made_by": f"capnet {__version__}"}
        document["inputs"] = plain(self.inputs)
        document["points"] = plain(list(self.points))
        for name, key in _ORDERS.items():
            rows = getattr(self, name)
            made = None if isinstance(rows, list) else rows.documents(plain.files)
            if made is None:
                document[name] = plain(sorted(rows, key=key))
            else:
                document[name] = made if lazily else list(made)
        top = sorted(self.flows.top, key=order.by_flow_bytes)
        document["flows"] = {"count": plain(self.flows.count), "top": plain(top)}
        for name, key in _LATER_ORDERS.items():
            document[name] = plain(sorted(getattr(self, name), key=key))
        for name in ("coverage", "names", "names_at", "correlation"):
            document[name] = plain(getattr(self, name))
        if unknown := [name for name in wanted if name not in document]:
            raise ValueError(f"there is no section {unknown[0]!r}; choose from {', '.join(document)}")
        if wanted:
            document = {key: value for key, value in document.items() if key in ALWAYS or key in wanted}
        return document

    def to_json(self, only: Collection[str] = ()) -> str:
        """The report as JSON text, as `capnet analyze --format json` prints it: ASCII, a line for each fact."""
        from capnet.analysis.core.contract.json_text import json_text

        return json_text(self.to_dict(only))

    def __repr__(self) -> str:
        """A screen at most: the files, the points, and how many facts of each kind there are."""
        shown = self.inputs[:MAX_REPR_INPUTS]
        files = [ascii(source.file)[1:-1][-66 // len(shown) :] for source in shown]  # 66 columns for all
        if len(self.inputs) > len(files):
            files.append(f"{len(self.inputs) - len(files)} more")
        lines = [
            f"<capnet.Report of {', '.join(files)}",
            f"  {self.coverage.frames} frames, {self.coverage.decoded} decoded, at {len(self.points)} points",
        ]
        for name in SECTIONS:
            count = self.flows.count if name == "flows" else len(getattr(self, name))
            lines.append(f"  {name:13}{count:6}{self._summary(name)}")
        return "\n".join(lines) + ">"

    def _repr_html_(self) -> str:
        """For notebooks: the problems and what to do, below them what `repr` says; what needs no action is folded."""
        from html import escape

        def shown(text: str | None) -> str:
            return escape(repr(text or "")[1:-1])

        findings = [finding for finding in self.findings if finding.explained_by is None]
        notes = [finding for finding in findings if finding.level == "info"]
        problems = "".join(
            f"<p><b>{escape(finding.level)}</b> {shown(finding.says)}"
            + (f"<br><i>Fix:</i> {shown(finding.fix)}</p>" if finding.fix else "</p>")
            for finding in findings
            if finding.level != "info"
        )
        items = "".join(f"<li>{shown(finding.says)}</li>" for finding in notes)
        folded = f"<details><summary>Notes that need no action: {len(notes)}</summary><ul>{items}</ul></details>"
        return problems + f"<pre>{escape(repr(self))}</pre>" + folded * bool(notes)

    def _summary(self, name: str) -> str:
        """What a line of `repr` says of a section beside its count."""
        if name == "models" and self.models:
            return "  " + ", ".join(f"{model.model} {model.confidence:.2f}" for model in self.models[:4])
        if name == "findings" and self.findings:
            levels = Counter(finding.level for finding in self.findings)
            return "  " + ", ".join(f"{levels[level]} {level}" for level in LEVELS if levels[level])
        return ""


_ORDERS: dict[str, Callable[[Any], Any]] = {
    "models": order.by_confidence,
    "stations": lambda station: station.mac,
    "macs": order.by_verdict,
    "nat": order.by_translated_packets,
    "proxies": order.by_client,
    "tunnels": order.by_network,
    "paths": order.by_path_packets,
}
_LATER_ORDERS: dict[str, Callable[[Any], Any]] = {
    "findings": order.by_level,
    "fates": order.by_fate,
    "icmp_errors": order.by_messages,
    "neighbours": order.by_unanswered,
    "kernel": order.by_namespace,
    "conversations": order.by_conversation_bytes,
    "protocols": lambda share: share.protocol,
}
