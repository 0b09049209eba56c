"""What every user of a Docker host may see of its interfaces, where namespaces cannot be entered.

Method: `ip` lists the interfaces of capnet's own network namespace, and `bridge fdb` the MACs that bridges learnt.
That is the host's namespace if it has the Linux bridges of all its Docker networks. A bridge forgets a MAC five minutes
after its last packet (brctl(8), ageing), so a silent container's host end is not found.
"""

from __future__ import annotations

import json
import subprocess
from typing import Any

from capnet.record.find.host_facts import Entry, HostFacts
from capnet.record.find.host_topology import bridge_name
from capnet.record.remote.shell import program_environment

OWN_NETNS = "/proc/self/ns/net"
_SECONDS = 20


def ask_without_root(facts: HostFacts) -> bool:
    """Fills in the host's own interfaces and what its bridges learnt; False if capnet is elsewhere than the host."""
    interfaces = _json("ip", "-j", "-d", "address")
    bridges = {bridge_name(network) for network in facts.networks} - {None}
    if not bridges or not bridges <= {entry.get("ifname") for entry in interfaces}:
        return False
    facts.host_netns = OWN_NETNS
    facts.interfaces[OWN_NETNS] = [entry for entry in interfaces if "ifname" in entry]
    facts.forwarding = {
        entry["mac"]: entry["ifname"]
        for entry in _json("bridge", "-j", "fdb", "show")
        if entry.get("master") in bridges and entry.get("state") != "permanent"
    }
    return True


def _json(*command: str) -> list[Entry]:
    """What a program of iproute2 prints; nothing if it is missing or fails."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS, env=program_environment()
        )
        entries: Any = json.loads(done.stdout)
    except (OSError, subprocess.TimeoutExpired, ValueError):
        return []
    return entries if isinstance(entries, list) else []
