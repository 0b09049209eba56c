"""Capture filters that leave out what capnet's own captures send over the wire: they would feed on themselves.

Two kinds: the connections by which capnet drives remote hosts (ssh, Docker's API by TCP), and the ssh session that
capnet itself runs in, which carries its status lines or, with `-w -`, every packet that it captures.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from pathlib import Path

from capnet.record.remote.docker_host import control_ports
from capnet.record.remote.nodes.reached_host import ReachedHost

_VARIABLE = "SSH_CONNECTION"  # ssh(1): client, its port, server, its port
_MAX_ANCESTORS = 16  # sudo, shells, make, ...


def control_filter(hosts: Iterable[ReachedHost]) -> str:
    """Leaves out the connections to these hosts; empty where there are none."""
    return " and ".join(f"not tcp port {port}" for port in control_ports(hosts))


def session_filter() -> str:
    """Leaves out the ssh connection that this process runs in; empty where it runs in none.

    sudo(8) takes the variable away that names it, so the processes above are asked as well.
    """
    words = (os.environ.get(_VARIABLE) or _of_ancestors()).split()
    if len(words) != 4:
        return ""
    try:
        client = ip_address(words[0].partition("%")[0])
        ports = int(words[1]), int(words[3])
    except ValueError:
        return ""
    return f"not (host {client} and tcp port {ports[0]} and tcp port {ports[1]})"


def joined(*filters: str) -> str:
    """A filter that lets pass what all of them do; empty ones are left out."""
    parts = [part for part in filters if part]
    return parts[0] if len(parts) == 1 else " and ".join(f"({part})" for part in parts)


def _of_ancestors() -> str:
    pid = os.getppid()
    for _ in range(_MAX_ANCESTORS):
        if pid <= 1:
            break
        try:
            variables = _environment(Path(f"/proc/{pid}/environ").read_bytes())
            stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        except OSError:
            break
        if _VARIABLE in variables:
            return variables[_VARIABLE]
        pid = int(stat.rpartition(")")[2].split()[1])
    return ""


def _environment(raw: bytes) -> Mapping[str, str]:
    pairs = (entry.partition(b"=") for entry in raw.split(b"\0"))
    return {name.decode(errors="replace"): value.decode(errors="replace") for name, _, value in pairs}
