"""By which NICs a host reaches others: those of its default routes."""

from __future__ import annotations

import json
from contextlib import suppress

from capnet.errors import EnvironmentLacks
from capnet.record.remote.shell import Shell

_FAMILIES = ("-4", "-6")


def uplinks(shell: Shell) -> list[str]:
    """Names of the interfaces that default routes use, IPv4 first. A kernel without IPv6 has none of that."""
    names: list[str] = []
    for family in _FAMILIES:
        with suppress(EnvironmentLacks, ValueError):
            printed = shell.run(["ip", "-j", family, "route", "show", "default"], netns=shell.host_netns)
            for route in json.loads(printed or "[]"):
                hops = route.get("nexthops") or [route]  # several in an equal-cost route
                names += [hop["dev"] for hop in hops if "dev" in hop]
    return list(dict.fromkeys(names))
