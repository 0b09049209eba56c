"""`capnet capture`: running containers and interfaces, captured at every point that their packets pass."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import click

from capnet.cli.capture_options import MAX_SNAPLEN, Given, capture_options, check
from capnet.errors import Exit, UsageError

if TYPE_CHECKING:
    from capnet.cli.capture_status import Screen
    from capnet.cli.capture_target import CaptureTarget
    from capnet.record.live.outputs.output import Output
    from capnet.record.live.recording import Arrive
    from capnet.record.live.session import LiveCapture
    from capnet.record.remote.nodes.reached_host import ReachedHost
    from capnet.record.targets.target_points import Aim
    from capnet.witnesses import Witnesses


@click.command("capture", short_help="Capture running containers.")
@click.argument("words", nargs=-1, metavar="[TARGET]... [FILTER]")
@capture_options
def command(**options: Any) -> int:
    """Capture running containers at every point that their packets pass on this host, into one pcapng.

    TARGET is a container's name, HOST/NAME, id, address or veth; a network, project or service where no container is
    called so. On a Kubernetes node it is a pod, NAMESPACE/POD, or a container in one pod alone.

    \b
    capnet capture web                      web's eth0, its veth, its bridge, the NIC behind it
    capnet capture web db port 5432         a filter as for tcpdump, at every point
    capnet capture --project shop --report  a Compose project; Ctrl-C ends it, the report follows
    capnet capture web -w - | wireshark -k -i -
    capnet capture -i eth0 -i docker0       interfaces, with Docker or without
    capnet capture --all -C 100 -W 10       the newest 10 files of 100 MB

    A container's points are its interfaces, the host ends of its veths, its bridges, and the interfaces by which the
    host reaches others: the NICs of its default routes, further NICs, VPNs. With macvlan and ipvlan it is the parent
    NIC; with an overlay network also br0 and vxlan0 of its namespace and the load balancer of a service; with pods also
    the tunnel devices where routes lead, flannel.1 for example.
    Loopback is a point on networks with Docker's DNS server, in a namespace that containers share, and where there is
    nothing else.

    A container that starts or restarts during the capture joins it, if TARGET or an option names it.

    Bridges and NICs also show packets of other containers: NAT changes addresses there, so capnet does not leave them
    out. FILTER is used at every point. At a NIC that carries VXLAN it sees outer addresses only.

    Needs root, or access to Docker's socket. Exit codes: 0 fine, 2 wrong usage, 4 something is missing.
    """
    given = Given(**options)
    check(given)
    return run(given)


def run(given: Given, screen: Screen | None = None) -> int:
    """Captures what is given; `screen` shows what happens. Returns the exit code. UsageError, EnvironmentLacks."""
    from functools import partial

    from capnet.cli import capture_status
    from capnet.cli.capture_target import CaptureTarget
    from capnet.cli.interrupts import signals_set
    from capnet.record.live.recording import Recording
    from capnet.record.live.session import Limits
    from capnet.record.live.surroundings import nothing, surroundings

    if given.target == "-" and (sys.stdout is None or sys.stdout.isatty()):
        raise UsageError("-w - writes packets to standard output: pipe it into a program")
    stop = Event()
    with open_aim(given) as aim, signals_set(stop):
        target = CaptureTarget(given, aim)
        screen = screen or capture_status.Screen(target.shown, is_reported=given.wants_report)
        limits = Limits(given.packets, given.seconds)
        target.check()
        _warn(aim, screen)

        def open_output(live: LiveCapture, heading: bytes) -> Output:
            output = target.open(heading, live, recording.witnessed)
            screen.announce([tap.point.name for tap in live.taps])
            return output

        recording = Recording(
            aim.points,
            aim.topology,
            screen.say,
            screen.show,
            stop,
            limits,
            given.snaplen or MAX_SNAPLEN,
            buffer_mib=given.buffer_mib,
            around=partial(surroundings, aim.hosts, aim.topology, screen.say, given.why) if target.is_file else nothing,
            arrive=arrivals_of(aim),
            note=screen.note,
        )
        with closing(target):
            live = recording.record(open_output)
            if live is None:
                screen.say("interrupted before anything was captured")
                return Exit.INTERRUPTED
            screen.end(live, target.paths)
            if recording.witnessed is not None:
                _keep(recording.witnessed.witnesses, target, screen)
    if given.wants_report:
        _report(target.paths[-1:])
    return Exit.LACKS if live.lacked_space else Exit.OK


def _warn(aim: Aim, screen: Screen) -> None:
    """Says what the points do not show, before they are listened at."""
    from itertools import chain

    from capnet.record.targets.idle_containers import idle_warnings
    from capnet.record.targets.user_mode_networks import user_mode_warnings
    from capnet.record.targets.xdp_programs import xdp_warnings

    ids = aim.coverage.ids if aim.coverage else ()
    xdp, idle = xdp_warnings(aim.points, aim.topology), idle_warnings(aim.topology, ids)
    for warning in chain(xdp, idle, user_mode_warnings(aim.topology, aim.points, ids)):
        screen.say(warning)


def _keep(witnesses: Witnesses, target: CaptureTarget, screen: Screen) -> None:
    """Writes what the kernels say, and says what left its bridge while packets were captured."""
    from capnet.witnesses import left_bridges

    target.write_witnesses(witnesses)
    for namespace in witnesses.namespaces:
        for end, bridge in left_bridges(namespace).items():
            point = f"{namespace.name}/{end}"
            screen.say(f"{point} left {bridge} meanwhile, and is no port of it: `ip link set {end} master {bridge}`")


def arrivals_of(aim: Aim) -> Arrive | None:
    """What tells of containers that start later; None where no container was aimed at."""
    from functools import partial

    from capnet.record.live.arrivals import Arrivals

    return partial(Arrivals, aim.coverage, aim.hosts) if aim.coverage else None


@contextmanager
def open_aim(given: Given) -> Iterator[Aim]:
    """What to capture, and in which mode; hosts are open while the block runs, and asked only if they are needed."""
    with _open_aim(given) as aim:
        if given.leaves_modes:
            aim.leave_modes()
        yield aim


@contextmanager
def _open_aim(given: Given) -> Iterator[Aim]:
    from capnet.cli.docker_hosts import open_docker_hosts, open_hosts, open_swarm
    from capnet.interrupts import Interruptible
    from capnet.record.targets import target_points
    from capnet.record.targets.target_words import split_words

    networks = (*given.networks, given.swarm) if given.swarm else given.networks
    selection = target_points.Selection((), networks, given.projects, given.services, given.everything)
    words = split_words(given.words, given.capture_filter, lambda word: False)
    needs_docker = words.targets or given.hosts or selection != target_points.Selection()
    if given.interfaces and not needs_docker:
        yield target_points.aim_at_interfaces(given.interfaces, words)
        return
    with Interruptible(), ExitStack() as stack:
        hosts: Sequence[ReachedHost]
        if given.swarm:
            hosts = stack.enter_context(open_swarm(stack.enter_context(open_docker_hosts(given.hosts)), given.swarm))
        else:
            hosts = stack.enter_context(open_hosts(given.hosts))
        yield target_points.aim_at_containers(hosts, given.words, selection, given.interfaces, given.capture_filter)


def _report(paths: Sequence[Path]) -> None:
    """Prints the first screen, as `capnet analyze` does."""
    from capnet.analysis.engine import analyze
    from capnet.cli.output import emit, report_columns
    from capnet.report.formats.table import render
    from capnet.report.wanted import Wanted

    document = analyze(list(paths)).to_dict()
    where = {source["file"]: str(source["file"]) for source in document["inputs"]}
    emit(render(document, report_columns(), where, Wanted(full=False)))
