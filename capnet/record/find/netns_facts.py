"""Which network namespaces a host has, and `ip -j -d address` in each of them.

Method: the namespace of a container is that of its process. dockerd keeps the others as bind mounts of nsfs in its
own mount namespace (libnetwork, osl): `1-9bb98856f1` for an overlay network, by how many times it came to life here
and the beginning of its id; `lb_9bb98856f` for the load balancer of its services, `ingress_sbox` for the swarm's.
A namespace is told by its inode, so one that several containers share is asked once.
Cost: two commands for the host, however many namespaces it has.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from itertools import chain

from capnet.record.find.host_facts import Entry, HostFacts
from capnet.record.remote.shell import Shell

_MARK = "@capnet "

# $1: a process in the host's namespaces, then files of namespaces. A file that went meanwhile is left out.
_FIND = "grep ' - nsfs ' /proc/$1/mountinfo; shift; stat -L -c '%d.%i %n' \"$@\" 2>/dev/null; true"

# Arguments: files of namespaces. What fails is printed in place of an answer. The own one needs no right to enter it.
_ASK = f"""
for file; do
  echo "{_MARK}$file"
  if [ "$file" -ef /proc/self/ns/net ]; then ip -j -d address; else nsenter --net="$file" ip -j -d address; fi 2>&1
done
true
"""
_SECONDS = 120  # within which all namespaces must have answered: 50 take a tenth of a second, through ssh too


def ask_namespaces(shell: Shell, facts: HostFacts) -> None:
    """Fills in namespaces and their interfaces; notes what could not be seen. Facts of containers must be there.

    Raises EnvironmentLacks if no command can be run on the host as root.
    """
    owners_first = sorted(facts.containers, key=lambda each: each["HostConfig"]["NetworkMode"].startswith("container:"))
    files = {each["Id"]: [f"/proc/{pid}/ns/net"] for each in owners_first if (pid := each["State"]["Pid"])}
    sandboxes_first = sorted(facts.bundles, key=lambda each: not each.is_sandbox)
    files |= {each.id: list(each.netns) for each in sandboxes_first}
    listing = shell.run(
        ["sh", "-c", _FIND, "sh", shell.host, shell.host_netns, *chain.from_iterable(files.values())],
        timeout=_SECONDS,
        title="list network namespaces",
    )
    inodes, mounts = _inodes(listing)
    facts.host_netns = shell.host_netns
    file_of = {inodes[shell.host_netns]: shell.host_netns} if shell.host_netns in inodes else {}
    device = re.match(r"\d+\.|", inodes.get(shell.host_netns, ""))  # of nsfs; on another one, nothing is mounted there
    for container, candidates in files.items():
        mounted = [each for each in candidates if each in inodes and device and inodes[each].startswith(device[0])]
        if file := next(iter(mounted), None):
            facts.container_netns[container] = file_of.setdefault(inodes[file], file)
    name_mounts(facts, {path: shell.host_path(path) for path in mounts})
    wanted = [*file_of.values(), *facts.overlay_netns.values(), *facts.balancer_netns.values()]
    _note_missing(facts)
    facts.interfaces.update(_interfaces(shell, wanted, facts))


def _inodes(listing: str) -> tuple[dict[str, str], dict[str, str]]:
    """(file → device and inode, as `stat` printed them; path of a bind mount → inode of what mountinfo lists)."""
    inodes, mounts = {}, {}
    for line in listing.splitlines():
        words = line.split()
        if " - nsfs " in line:  # 191 47 0:4 net:[4026532251] /var/run/docker/netns/ingress_sbox rw - nsfs nsfs rw
            mounts[_unescaped(words[4])] = words[3].strip("net:[]")
        elif len(words) == 2:
            inodes[words[1]] = words[0]
    return inodes, mounts


def _unescaped(path: str) -> str:
    r"""A path of mountinfo: it writes blanks, tabs, newlines and backslashes as `\040` (proc_pid_mountinfo(5))."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), path)


def name_mounts(facts: HostFacts, files: dict[str, str]) -> None:
    """Tells by its name what each namespace is that dockerd keeps. `files`: path of the mount → file to enter."""
    lives: dict[str, dict[int, str]] = {}
    for path, file in files.items():
        name = path.rpartition("/")[2]
        life, dash, beginning = name.partition("-")
        if name == "ingress_sbox":
            facts.balancer_netns["ingress-sbox"] = file
        elif name.startswith("lb_"):
            if network := _network_named(facts, name.removeprefix("lb_")):
                facts.balancer_netns[f"lb-{network['Name']}"] = file
        elif dash and life.isdigit() and (network := _network_named(facts, beginning)):
            lives.setdefault(network["Id"], {})[int(life)] = file
    for network_id, files_of_lives in lives.items():
        facts.overlay_netns[network_id] = files_of_lives[max(files_of_lives)]


def _network_named(facts: HostFacts, beginning: str) -> Entry | None:
    """The overlay network whose id begins so."""
    if len(beginning) < 8:  # `1-` and 10 characters, `lb_` and 9: a shorter name is of another program
        return None
    overlays = (network for network in facts.networks if network["Driver"] == "overlay")
    return next((network for network in overlays if network["Id"].startswith(beginning)), None)


def _note_missing(facts: HostFacts) -> None:
    for container in facts.containers:
        if container["Id"] not in facts.container_netns:
            name = container["Name"].removeprefix("/")
            why = "it has no process that can be seen here; it ended meanwhile, restarts, or runs in a virtual machine"
            if container["State"].get("Restarting"):
                why = f"it ends and restarts: `docker logs {name}` says why"
            facts.not_seen(f"interfaces of container {name}", why)


def _interfaces(shell: Shell, files: Iterable[str], facts: HostFacts) -> dict[str, list[Entry]]:
    """File of a namespace → its interfaces; those that do not answer are noted, once for each complaint."""
    entries: dict[str, list[Entry]] = {}
    silent: dict[str, list[str]] = {}
    title = "nsenter, ip -j -d address"
    printed = shell.run(["sh", "-c", _ASK, "sh", *dict.fromkeys(files)], timeout=_SECONDS, title=title)
    answers = re.split(rf"^{_MARK}(.*)$", printed, flags=re.MULTILINE)[1:]  # in JSON, a name cannot begin a line
    for file, text in zip(answers[::2], answers[1::2], strict=True):
        try:
            entries[file] = [entry for entry in json.loads(text) if "ifname" in entry]
        except ValueError:
            complaint = (text.strip().splitlines() or ["no answer"])[0].replace(file, "FILE")
            if complaint.startswith("BusyBox"):
                complaint = "this ip is BusyBox's, which prints no JSON; install iproute2"
            if file == facts.host_netns and "not permitted" in complaint:
                facts.not_seen("interfaces of the machine", "only root may enter its network namespace")
                continue
            silent.setdefault(complaint, []).append(file)
    for complaint, of_complaint in silent.items():
        more = f" and {len(of_complaint) - 1} more" if len(of_complaint) > 1 else ""
        facts.not_seen(f"interfaces of namespace {of_complaint[0]}{more}", f"{title}: {complaint}")
    return entries
