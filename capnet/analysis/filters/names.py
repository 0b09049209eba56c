"""Names of a flow expression or an option: addresses of a container, host or named address; capture points."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from ipaddress import ip_address
from pathlib import PurePath

from capnet.analysis.core.context import Context
from capnet.analysis.core.point_names import file_stem, name_of_stem
from capnet.analysis.core.results import Point
from capnet.errors import UsageError
from capnet.topology import Container, Topology
from capnet.topology.lookup import endpoints

MAX_SHARING = 16  # containers in the network of another one, which is in that of another one: a topology may loop
MAX_HINTS = 12  # names in an error
MIN_SIMILARITY = 0.5  # of 0 to 1, by difflib: names that come first in the hint


def known_names(context: Context) -> list[str]:
    """Every name that `host` understands, sorted; services of Compose are those of their containers."""
    names = set(context.names.values())
    if context.topology:
        names.update(name for _, _, name in context.topology.addresses())
        names.update(container.name for container in context.topology.containers)
    return sorted(names)


def addresses_of(context: Context, name: str, sharing: tuple[str, ...] = ()) -> list[tuple[str | None, str]] | None:
    """(host, address) of everything called `name` or `HOST/NAME`; None if there is no such name.

    The host is None if the address means the same everywhere. `sharing`: containers that use the network of `name`.
    Raises UsageError if `name` has no address of its own.
    """
    addresses: list[tuple[str | None, str]] = [
        (None, address)
        for address, address_name in context.names.items()
        if address_name == name and is_address(address)
    ]
    topology = context.topology
    if topology is None:
        return list(dict.fromkeys(addresses)) or None
    hosts_of: dict[str, set[str | None]] = {}
    for host, address, _ in topology.addresses():
        hosts_of.setdefault(address, set()).add(host)
    for host, address, address_name in topology.addresses():
        if name in (address_name, f"{host}/{address_name}"):
            addresses.append((host if len(hosts_of[address]) > 1 else None, address))
    for container in topology.containers:
        if name not in (container.name, f"{container.host}/{container.name}") or addresses:
            continue
        owner = container.shares_network_with
        if owner in (name, *sharing) or len(sharing) == MAX_SHARING:
            raise UsageError(f"{name} has no address: by its topology it is in a network of its own that is another's")
        if owner:
            return addresses_of(context, owner, (name, *sharing))
        if container.network_mode == "host":
            raise UsageError(
                f"{name} has no address of its own: it runs in the network of host {container.host}; "
                f"try host {container.host}"
            )
        raise UsageError(f"{name} has no address (network mode {container.network_mode})")
    if not addresses:
        for container, address in of_compose_service(topology, name):
            addresses.append((container.host if len(hosts_of[address]) > 1 else None, address))
    return list(dict.fromkeys(addresses)) or None


def of_compose_service(topology: Topology | None, name: str) -> list[tuple[Container, str]]:
    """The addresses of all containers of a Compose service, SERVICE or PROJECT/SERVICE; empty if two projects have it.

    By the service's name they call each other, in Docker's DNS and in the code of the application.
    """
    owned = [
        (container, address)
        for container, endpoint in (endpoints(topology) if topology else ())
        if container.compose_service
        and name in (container.compose_service, f"{container.project}/{container.compose_service}")
        for address in endpoint.ips
    ]
    projects = {container.project for container, _ in owned}
    return owned if len(projects) == 1 else []


def name_hint(context: Context, name: str) -> str:
    """The end of an error about an unknown name: the known names, similar ones first."""
    names = known_names(context)
    if not names:
        return "no names are known: give --topology, or a capture with a name resolution block"
    similar = get_close_matches(name, names, 3, MIN_SIMILARITY)
    shown = [" ".join(shown_name.split()) for shown_name in dict.fromkeys([*similar, *names])]
    return f"known: {', '.join(shown[:MAX_HINTS])}" + (", …" if len(shown) > MAX_HINTS else "")


def points_called(word: str, points: Sequence[Point]) -> list[int]:
    """Indexes of the points that `word` may mean: one, or those among which it does not decide; empty if none.

    The name of the report comes first, then the file (`hostA__docker0.pcap`, with or without suffixes), then the
    interface or the container.
    """
    stem = file_stem(PurePath(word).name)
    ways: tuple[Callable[[Point], bool], ...] = (
        lambda point: point.name == word,
        lambda point: point.file == word,
        lambda point: stem == file_stem(PurePath(point.file).name) or name_of_stem(word).name == point.name,
        lambda point: word in (point.device, point.container, f"{point.host}/{point.device}"),
        lambda point: word == point.host,
    )
    for is_called in ways:
        if numbers := [number for number, point in enumerate(points) if is_called(point)]:
            return numbers
    return []


def is_address(text: str) -> bool:
    """Is it an IPv4 or IPv6 address, without a zone?"""
    try:
        ip_address(text)
    except ValueError:
        return False
    return "%" not in text
