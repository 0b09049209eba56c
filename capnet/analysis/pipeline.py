"""The steps from the tables of a pass to a report: which function computes which field, in the order of their run.

A function that needs the result of another one asks for it by its name (`core.derived`): the order of the steps decides
only which memory is in use when.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeAlias

from capnet.analysis.aggregate.pass_result import pass_result
from capnet.analysis.aggregate.reader import SourceReader
from capnet.analysis.core.context import Context
from capnet.analysis.core.contract.report import Report
from capnet.analysis.core.results import Flows
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.fact_tables.fact_list import as_tables
from capnet.analysis.facts.flows import flow_facts
from capnet.analysis.facts.icmp_errors import icmp_error_facts
from capnet.analysis.facts.kernel import ambiguous_drops, kernel_reasons
from capnet.analysis.facts.layer2.mac_verdicts import mac_verdicts
from capnet.analysis.facts.layer2.veth_pairs import with_peers
from capnet.analysis.facts.layer2.vlans import points_with_vlans
from capnet.analysis.facts.models import models
from capnet.analysis.facts.naming import names_at
from capnet.analysis.facts.nat.translations import nat_facts
from capnet.analysis.facts.neighbours.exchanges import neighbour_facts
from capnet.analysis.facts.outcomes.fates import fate_facts, outcome_totals
from capnet.analysis.facts.paths import path_facts
from capnet.analysis.facts.proxies import proxy_facts
from capnet.analysis.facts.stations import station_facts
from capnet.analysis.facts.tunnels import tunnel_facts
from capnet.analysis.facts.volume.conversations import conversation_facts
from capnet.analysis.facts.volume.protocols import protocol_facts
from capnet.analysis.fate.fates import unanswered_chains
from capnet.analysis.fate.verdict.verdicts import verdicts
from capnet.analysis.findings import common_modules, findings, folders
from capnet.topology import Topology

if TYPE_CHECKING:
    from capnet.witnesses import Witnesses

common_modules(), folders()  # are imported with this module, which happens while the first blocks are read

MIN_FLOWS_BESIDE = 20_000  # of fewer, other threads wait for the GIL as long as they work

Step: TypeAlias = Callable[[Context], Any]

# Field of the report → what computes it.
STEPS: dict[str, Step] = {
    "tunnels": tunnel_facts,
    "paths": path_facts,
    "nat": nat_facts,
    "proxies": proxy_facts,
    "stations": station_facts,
    "macs": mac_verdicts,
    "fates": fate_facts,
    "icmp_errors": icmp_error_facts,
    "neighbours": neighbour_facts,
    "models": models,
    "findings": findings,
    "kernel": kernel_reasons,
}
FLOW_STEPS: dict[str, Step] = {"flows": flow_facts}
VOLUME_STEPS: dict[str, Step] = {"conversations": conversation_facts, "protocols": protocol_facts}


def conclude(
    reader: SourceReader,
    topology: Topology | None,
    witnesses: Witnesses | None,
    links_only: bool,
    flows_only: bool = False,
) -> tuple[Report, Context]:
    """The report on what was read, and the context that it was derived from.

    `links_only`: leave out STEPS and VOLUME_STEPS. `flows_only`: leave out the links and the list of flows too.
    """
    context, coverage, correlation = pass_result(reader, topology, witnesses)
    links_only |= flows_only
    facts: dict[str, Any] = {"flows": Flows(len(context.flows), [])}
    if not flows_only:
        facts = _facts(context, links_only, reader.options.threads)
    facts["names_at"] = names_at(context)
    facts["points"] = with_peers(points_with_vlans(context), context.topology)
    if not links_only:
        correlation["unanswered"] = unanswered_chains(context)
        correlation |= outcome_totals(context)._asdict()
        if ambiguous := ambiguous_drops(context):
            correlation["ambiguous_drops"] = ambiguous
    report = Report(
        inputs=reader.inputs,
        coverage=coverage,
        names=context.names,
        correlation=correlation,
        **as_tables(facts),
    )
    return report, context


def _facts(context: Context, links_only: bool, threads_wanted: int | None) -> dict[str, Any]:
    """What the steps compute.

    Of many flows, two more threads compute what the steps ask for later: what needs no flow links while these are
    derived, and then the verdicts. Large arrays are computed without the GIL. Where one thread is wanted, as in a pool
    of processes, there is one.
    """
    steps, counts = ({}, FLOW_STEPS) if links_only else (STEPS, FLOW_STEPS | VOLUME_STEPS)
    has_threads = len(context.flows) >= MIN_FLOWS_BESIDE and threads_wanted != 1
    threads = [_start(context, *counts.values())] if has_threads else []
    with suppress(Exception):  # the step that asks for links raises it again
        flow_links(context)  # in this thread, in the memory that reading has left
    if has_threads and not links_only:
        threads.append(_start(context, verdicts))
    facts = run_steps(steps, context)
    for thread in threads:
        thread.join()
    return facts | run_steps(counts, context)


def run_steps(steps: dict[str, Step], context: Context) -> dict[str, Any]:
    """Field of the report → what its step computes."""
    return {name: compute(context) for name, compute in steps.items()}


def _start(context: Context, *computations: Step) -> Thread:
    """A thread that derives these results."""

    def derive() -> None:
        with suppress(Exception):  # the step that asks for the result raises it again
            for compute in computations:
                compute(context)

    thread = Thread(target=derive)
    thread.start()
    return thread
