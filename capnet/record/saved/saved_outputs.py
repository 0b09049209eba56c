"""A topology of hosts made from saved outputs of programs, in place of asking the hosts.

Input: files, folders, archives. Output: a `Topology`, and what was not used with the reason. What an output is, its
content tells (`recognition`); whose it is, the folders do, and the addresses in it (`host_folders`, `namespaces`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from capnet.errors import UnreadableInput
from capnet.quick_tuple import NamedTuple
from capnet.record.find.docker_facts import STOPPED
from capnet.record.find.host_facts import Entry, HostFacts
from capnet.record.find.host_topology import build_topology
from capnet.record.find.inventory import merged
from capnet.record.saved.files import saved_files
from capnet.record.saved.host_folders import DOCKER_KINDS, Folder, host_folders, host_of
from capnet.record.saved.namespaces import HOST, place
from capnet.record.saved.recognition import SavedOutput, Unrecognised, recognise
from capnet.topology import Namespace, NeighbourEntry, Route, Topology
from capnet.topology.file import as_json, build

MAX_OUTPUT_CHARACTERS = 1 << 20  # of a table that is kept as text: rules of some thousand services


class Skipped(NamedTuple):
    """A file that was not used, or not all of it."""

    path: str
    reason: str


class _Read(NamedTuple):
    folder: Folder
    path: str
    output: SavedOutput


def topology_of_files(paths: Sequence[Path]) -> tuple[Topology, list[Skipped]]:
    """(the topology that the files show, what was not used). Raises UnreadableInput if nothing in them helps."""
    outputs: list[_Read] = []
    skipped: list[Skipped] = []
    for file in saved_files(paths):
        try:
            if file.text is None:
                raise Unrecognised(file.problem)
            outputs += [_Read(file.folders, file.path, output) for output in recognise(file.text)]
        except Unrecognised as error:
            skipped.append(Skipped(file.path, str(error)))
    if not outputs:
        names = ", ".join(map(str, paths))
        raise UnreadableInput(f"{names}: nothing that Docker, ip, iptables-save, nft, conntrack or sysctl printed")
    saved = [read for read in outputs if read.output.kind != "topology"]
    hosts = host_folders((read.folder, read.output.kind) for read in saved)
    topologies = [read.output.value for read in outputs if read.output.kind == "topology"]
    for host in hosts if saved else []:
        of_host = [read for read in saved if host_of(read.folder, hosts) == host]
        topologies.append(_host_topology(host, of_host, skipped))
    topology = topologies[0] if len(topologies) == 1 else merged(topologies)
    return topology, skipped


def _host_topology(host: Folder, outputs: Sequence[_Read], skipped: list[Skipped]) -> Topology:
    facts = HostFacts(name=host[-1] if host else "host")
    for read in outputs:
        if read.output.kind in DOCKER_KINDS:
            _take_docker(facts, read.output)
    namespaces: dict[str, dict[str, Any]] = {}
    try:
        for folder in sorted({read.folder for read in outputs}):
            in_folder = [read for read in outputs if read.folder == folder]
            _take_namespace(facts, folder, in_folder, namespaces)
        topology = build_topology(facts)
        _add_tables(topology, facts, namespaces, skipped)
        checked: Topology = build(Topology, as_json(topology))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        names = ", ".join(sorted({read.path for read in outputs if read.output.kind in DOCKER_KINDS}))
        raise UnreadableInput(f"{names or '/'.join(host)}: not as Docker and ip print it ({error!r:.80})") from error
    return checked


def _take_docker(facts: HostFacts, output: SavedOutput) -> None:
    if output.kind == "containers":
        facts.containers += [entry for entry in output.value if entry["State"].get("Running")]
        facts.stopped += [entry for entry in output.value if entry["State"].get("Status") in STOPPED]
    elif output.kind == "networks":
        facts.networks += output.value
    elif output.kind == "services":
        facts.services = [*(facts.services or []), *output.value]
    else:
        info: Entry = output.value[0]
        facts.name, facts.docker, facts.kernel = info["Name"], info["ServerVersion"], info["KernelVersion"]
        facts.surveyed = f"{str(info.get('SystemTime', ''))[:19]}Z" if info.get("SystemTime") else None


def _take_namespace(
    facts: HostFacts, folder: Folder, outputs: Sequence[_Read], namespaces: dict[str, dict[str, Any]]
) -> None:
    """Notes the interfaces of a folder in `facts`, and its other tables in `namespaces`, by key of the namespace."""
    entries: dict[str, Entry] = {}
    for read in outputs:
        if read.output.kind == "interfaces":
            for entry in read.output.value:  # `ip link` says less than `ip address`, and may come second
                entries[entry["ifname"]] = {**entry, **entries.get(entry["ifname"], {})}
    others = [read.output for read in outputs if read.output.kind not in DOCKER_KINDS | {"interfaces"}]
    if not entries and not others:
        return
    key = place(facts, "/".join(folder), list(entries.values()))
    if entries and key not in facts.interfaces:
        facts.interfaces[key] = list(entries.values())
    if key == HOST:
        facts.host_netns = HOST
    tables = namespaces.setdefault(key, {"routes": [], "neighbours": [], "outputs": {}})
    for output in others:
        if output.kind == "conntrack":
            facts.conntrack += output.value
        elif output.kind == "tables":
            tables["outputs"].setdefault(output.name, output.value)
        else:
            tables[output.kind] += output.value


def _add_tables(
    topology: Topology, facts: HostFacts, namespaces: dict[str, dict[str, Any]], skipped: list[Skipped]
) -> None:
    """Adds routes, neighbours and texts to the host and its namespaces. Those of containers get an entry for them."""
    host = topology.hosts[0]
    names = {container.id: container.name for container in topology.containers}
    owners = {folder: names[identity] for identity, folder in facts.container_netns.items()}
    owners |= {folder: name for name, folder in facts.balancer_netns.items()}
    for key, tables in namespaces.items():
        of_key = [each for each in topology.namespaces if each.netns == key]
        if key != HOST and not of_key and any(tables.values()):
            of_key = [Namespace(host=host.name, netns=key, container=owners.get(key))]
            topology.namespaces += of_key
        for holder in [host] if key == HOST else of_key:
            holder.routes = [_route(entry) for entry in tables["routes"]]
            holder.neighbours = [_neighbour(entry) for entry in tables["neighbours"] if "dst" in entry]
            for name, text in tables["outputs"].items():
                if len(text) > MAX_OUTPUT_CHARACTERS:
                    skipped.append(Skipped(name, f"only its first {MAX_OUTPUT_CHARACTERS} characters are kept"))
                holder.outputs[name] = text[:MAX_OUTPUT_CHARACTERS]
    host.netns = None
    for container in topology.containers:
        container.netns = None  # no file of this machine


def _route(entry: Entry) -> Route:
    kind = entry.get("type")
    return Route(
        destination=entry["dst"],
        via=entry.get("gateway") or (entry.get("via") or {}).get("host"),
        interface=entry.get("dev"),
        source=entry.get("prefsrc"),
        kind=None if kind == "unicast" else kind,
    )


def _neighbour(entry: Entry) -> NeighbourEntry:
    return NeighbourEntry(
        address=entry["dst"],
        interface=entry.get("dev"),
        mac=entry.get("lladdr"),
        state=" ".join(entry["state"]) or "NONE",
    )
