"""By which interfaces a host reaches others: the NICs of its default routes, and where packets of pods are routed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from capnet.errors import EnvironmentLacks
from capnet.quick_tuple import NamedTuple
from capnet.record.remote.shell import Shell

_FAMILIES = ("-4", "-6")


class RoutedDevices(NamedTuple):
    """Interfaces that routes of a host lead out of, of all routing tables. Plugins have tables of their own."""

    next_hops: list[str]  # to a next hop: another node, a router
    links: list[str]  # to what is on the link


def uplinks(shell: Shell) -> list[str]:
    """Names of the interfaces that default routes use, IPv4 first. A kernel without IPv6 has none of that."""
    names = [hop["dev"] for route in _routes(shell, "default") for hop in _hops(route)]
    return list(dict.fromkeys(names))


def routed_devices(shell: Shell) -> RoutedDevices:
    """The interfaces of all unicast routes, IPv4 first. Link-local ones, which any interface has, lead nowhere."""
    devices: dict[bool, dict[str, None]] = {True: {}, False: {}}
    for route in _routes(shell, "table", "all"):
        is_link_local = route.get("dst", "").startswith("fe80:")
        if route.get("type", "unicast") == "unicast" and route.get("table") != "local" and not is_link_local:
            for hop in _hops(route):
                devices["gateway" in hop or "via" in hop][hop["dev"]] = None
    return RoutedDevices(list(devices[True]), list(devices[False]))


def _routes(shell: Shell, *which: str) -> Iterator[dict[str, Any]]:
    for family in _FAMILIES:
        with suppress(EnvironmentLacks, ValueError):
            printed = shell.run(["ip", "-j", family, "route", "show", *which], netns=shell.host_netns)
            yield from json.loads(printed or "[]")


def _hops(route: dict[str, Any]) -> list[dict[str, Any]]:
    """The next hops of a route: several in an equal-cost route. One without an interface is left out."""
    return [hop for hop in route.get("nexthops") or [route] if "dev" in hop]
