"""The NIC of a host that leads to the other one: that of its default route."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Interface

from capnet.errors import EnvironmentLacks


@dataclass(frozen=True)
class ParentNic:
    """An interface and its first IPv4 address; `gateway` is empty where the default route leads to no gateway."""

    name: str
    address: IPv4Interface
    gateway: str


def parent_nic(host: str, ask: Callable[[str], str]) -> ParentNic:
    """The interface with the default route; `ask` runs an `ip` command on `host` and returns what it printed.

    EnvironmentLacks if there is no such route, or the interface has no IPv4 address.
    """
    routes = [line.split() for line in ask("ip -4 route show").splitlines()]
    defaults = [words for words in routes if words[:1] == ["default"] and "dev" in words]
    if not defaults:
        raise EnvironmentLacks(f"host {host} has no default route: which NIC leads to the other host?")
    route = defaults[0]
    name = route[route.index("dev") + 1]
    lines = ask(f"ip -4 -o addr show dev {shlex.quote(name)}").splitlines()
    addresses = [IPv4Interface(line.split()[3]) for line in lines]
    if not addresses:
        raise EnvironmentLacks(f"{name} of host {host} has no IPv4 address")
    return ParentNic(name, addresses[0], route[route.index("via") + 1] if "via" in route else "")
