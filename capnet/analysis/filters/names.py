"""Who is called what: names of containers, hosts and addresses, as a flow expression or an option gives them."""

from __future__ import annotations

from difflib import get_close_matches
from ipaddress import ip_address

from capnet.analysis.core.context import Context
from capnet.errors import UsageError

MOST_SHARING = 16  # containers in the network of another one, which is in that of another one ...


def names(context: Context) -> list[str]:
    """Every name that `host` understands here."""
    known = set(context.names.values())
    if context.topology:
        known.update(name for _, _, name in context.topology.addresses())
        known.update(container.name for container in context.topology.containers)
    return sorted(known)


def owned(context: Context, name: str, asked: tuple[str, ...] = ()) -> list[tuple[str | None, str]] | None:
    """(host, address) of everything called `name`, or `HOST/NAME`; None if there is no such name.

    The host is None where the address means the same everywhere. UsageError: it has no address of its own. `asked`:
    containers that are in its network.
    """
    found: list[tuple[str | None, str]] = [
        (None, address) for address, known in context.names.items() if known == name and is_address(address)
    ]
    topology = context.topology
    if topology is None:
        return list(dict.fromkeys(found)) or None
    owners: dict[str, set[str | None]] = {}
    for host, address, _ in topology.addresses():
        owners.setdefault(address, set()).add(host)
    for host, address, known in topology.addresses():
        if name in (known, f"{host}/{known}"):
            found.append((host if len(owners[address]) > 1 else None, address))
    for container in topology.containers:
        if name in (container.name, f"{container.host}/{container.name}") and not found:
            if container.shares_network_with in (name, *asked) or len(asked) == MOST_SHARING:
                raise UsageError(
                    f"{name} has no address: by its topology it is in a network of its own that is another's"
                )
            if container.shares_network_with:
                return owned(context, container.shares_network_with, (name, *asked))
            if container.network_mode == "host":
                raise UsageError(
                    f"{name} has no address of its own: it runs in the network of host {container.host}; "
                    f"try host {container.host}"
                )
            raise UsageError(f"{name} has no address (network mode {container.network_mode})")
    return list(dict.fromkeys(found)) or None


def nearest(context: Context, name: str) -> str:
    """A hint after a name that nobody has: the names there are, likely ones first."""
    known = names(context)
    if not known:
        return "no names are known: give --topology, or a capture with a name resolution block"
    close = get_close_matches(name, known, 3, 0.5)
    shown = [" ".join(each.split()) for each in dict.fromkeys([*close, *known])]
    return f"known: {', '.join(shown[:12])}" + (", …" if len(shown) > 12 else "")


def is_address(text: str) -> bool:
    """IPv4 or IPv6, without a zone."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return "%" not in text
