"""Where a command gets a topology from: running hosts, or what was saved of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from capnet import language
from capnet.cli.docker_hosts import open_hosts

if TYPE_CHECKING:
    from capnet.topology import Topology


def survey(urls: Sequence[str], *, may_start: bool) -> Topology:
    """The topology of the running hosts that --host names. Says on standard error what could not be seen, and why.

    `may_start`: without root, a capture container may be started.
    """
    from capnet.record.find.inventory import survey_hosts

    with open_hosts(urls, may_start=may_start) as hosts:
        topology = survey_hosts(hosts)
    for host in topology.hosts:
        for unseen in host.unseen:
            _say(f"host {host.name}: not seen: {unseen.what}: {unseen.why}")
    return topology


def read_topology(paths: Sequence[Path]) -> Topology:
    """The topology of saved outputs. Says on standard error which files were not used, and why."""
    from capnet.record.saved.saved_outputs import topology_of_files

    topology, skipped = topology_of_files(paths)
    for file in skipped:
        _say(f"not used: {file.path}: {file.reason}")
    return topology


def _say(line: str) -> None:
    from capnet.report.escape import visible

    click.echo(f"capnet: {visible(language.message(line))}", err=True)
