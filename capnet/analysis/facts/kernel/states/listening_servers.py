"""Programs that listen on ports of a namespace, and what they tell of a port that refuses.

Input: `ss -ltn` and `ss -lun` of both moments, the address and port that refuse, the points that show it. Output: the
end of a sentence, and what to do. Method: the namespace is the one that has such a point and the address itself; a port
is served if a program listens on it at this address or at all of its family. Silence: both moments show that a program
does, or the output is not there. Limits: what listened between both moments alone is not known.
"""

from __future__ import annotations

from collections.abc import Iterable

from capnet.analysis.core.context import Context
from capnet.analysis.core.wording import endpoint_text, several
from capnet.analysis.facts.kernel.namespaces import NamespaceChanges, namespaces
from capnet.analysis.facts.kernel.states.listeners import Listener
from capnet.analysis.facts.kernel.states.listening_words import (
    ELSEWHERE,
    ENDED,
    FIX_ELSEWHERE,
    FIX_ENDED,
    FIX_NOT_TRANSLATED,
    FIX_NOTHING,
    FIX_NOTHING_ON_HOST,
    FIX_OTHER_CONTAINER,
    FIX_OTHER_PORTS,
    FIX_PUBLISH,
    FIX_STARTED,
    FIX_UNPUBLISHED,
    NOT_THIS,
    NOT_TRANSLATED,
    NOTHING,
    OTHER_CONTAINER,
    OTHER_PORTS,
    STARTED,
    UNPUBLISHED,
)
from capnet.analysis.facts.kernel.states.lost_translations import restoring_command, untranslated_container
from capnet.quick_tuple import NamedTuple
from capnet.topology import PublishedPort
from capnet.topology.lookup import DOCKER_DNS, endpoints
from capnet.topology.port_lookup import is_on_all_addresses

FIRST_CLIENT_PORT = 32768  # net.ipv4.ip_local_port_range of Linux
MAX_LISTED = 4  # programs; of more, the one that is meant is not clear


class ListeningInstead(NamedTuple):
    """What listens where a port refuses: the end of a sentence, what to do, and facts."""

    says: str
    fix: str
    facts: dict[str, object]
    is_found: bool  # the server that is meant is known


def listening_instead(
    context: Context, proto: str, address: str, port: int, points: Iterable[str]
) -> ListeningInstead | None:
    """What listens in the namespace that refuses; None if that is not known, or if a program listened there always."""
    namespace = _namespace_of(context, address, set(points))
    if namespace is None or proto not in namespace.listeners:
        return None
    before, after = namespace.listeners[proto]
    was_served, is_served = (any(each.serves(address, port) for each in moment) for moment in (before, after))
    if was_served and is_served:
        return None
    lasting = sorted(each for each in before & after if each.address != DOCKER_DNS and _is_server(proto, each))
    facts: dict[str, object] = {"namespace": namespace.name, "listens": [str(each) for each in lasting[:MAX_LISTED]]}
    if was_served or is_served:
        changed, mend = (STARTED, FIX_STARTED) if is_served else (ENDED, FIX_ENDED)
        says, fix = changed.fill(namespace=namespace.name), mend.fill(namespace=namespace.name)
        return ListeningInstead(says, fix, facts, True)
    published = _published(context, proto, address, port)
    if owner := untranslated_container(context, namespace, proto, address, port):
        facts["container"] = owner.name
        says = NOT_TRANSLATED.fill(container=owner.name, namespace=namespace.name)
        fix = FIX_NOT_TRANSLATED.fill(command=restoring_command(context, namespace.name))
        return ListeningInstead(says, fix, facts, True)
    if not any(each.port == port for each in lasting) and not published:
        container = _container_that_listens(context, namespace, proto, port)
        if container:
            facts["container"] = container
            return ListeningInstead(*_in_container(namespace.name, proto, port, container), facts, True)
    is_served = any(each.port == port for each in lasting)
    return ListeningInstead(*_instead(namespace.name, proto, address, port, lasting, published), facts, is_served)


def _container_that_listens(context: Context, namespace: NamespaceChanges, proto: str, port: int) -> str | None:
    """The only other container of the host that listens on the port, at all addresses, and does not publish it."""
    host = namespace.name.partition("/")[0]
    published = {
        f"{container.host}/{container.name}"
        for container in (context.topology.containers if context.topology else [])
        if any(each.container_port == port and each.proto == proto for each in container.ports)
    }
    serving = [
        other.name
        for other in namespaces(context)
        if other is not namespace and other.name.startswith(f"{host}/") and proto in other.listeners
        and any(each.serves_all(port) for each in frozenset.intersection(*other.listeners[proto]))
    ]  # fmt: skip
    return serving[0] if len(serving) == 1 and ("/" in namespace.name or serving[0] not in published) else None


def _in_container(namespace: str, proto: str, port: int, container: str) -> tuple[str, str]:
    """That a container listens on the port: of its host, or another one of the host."""
    if "/" in namespace:
        fix = FIX_OTHER_CONTAINER.fill(container=container, namespace=namespace)
        return OTHER_CONTAINER.fill(container=container), fix
    fix = FIX_UNPUBLISHED.fill(container=container, port=port, suffix=_suffix(proto))
    return UNPUBLISHED.fill(container=container, namespace=namespace), fix


def _suffix(proto: str) -> str:
    return "" if proto == "tcp" else f"/{proto}"


def _is_server(proto: str, listener: Listener) -> bool:
    """Of UDP, a socket of a client looks like one that listens."""
    return proto == "tcp" or listener.port < FIRST_CLIENT_PORT


def _published(context: Context, proto: str, address: str, port: int) -> PublishedPort | None:
    """The port of the host that leads to this one."""
    published = (
        each
        for container, endpoint in (endpoints(context.topology) if context.topology else ())
        if address in endpoint.ips
        for each in container.ports
        if each.container_port == port and each.proto == proto
    )
    return next(published, None)


def _instead(
    namespace: str, proto: str, address: str, port: int, lasting: list[Listener], published: PublishedPort | None
) -> tuple[str, str]:
    """That a program listens at another address, on other ports, or that none listens."""
    of_port = [each for each in lasting if each.port == port]
    if of_port:
        bound, everywhere = several([str(each) for each in of_port]), "[::]" if ":" in address else "0.0.0.0"
        return (
            ELSEWHERE.fill(namespace=namespace, bound=bound),
            FIX_ELSEWHERE.fill(namespace=namespace, bound=bound, everywhere=f"{everywhere}:{port}"),
        )
    fix_nothing = FIX_NOTHING if "/" in namespace else FIX_NOTHING_ON_HOST
    fix = fix_nothing.fill(namespace=namespace, port=port, suffix=_suffix(proto))
    if not lasting:
        return NOTHING.fill(namespace=namespace, proto=proto.upper()), fix
    if len(lasting) > MAX_LISTED:
        return NOT_THIS.fill(namespace=namespace), fix
    ports = sorted({each.port for each in lasting})
    fix = FIX_OTHER_PORTS.fill()
    if published and len(ports) == 1:
        address, number = published.host_ip, published.host_port
        begin = number if is_on_all_addresses(published) else endpoint_text(address, number)
        fix = FIX_PUBLISH.fill(begin=str(begin), port=ports[0], inside=port, suffix=_suffix(proto))
    return OTHER_PORTS.fill(namespace=namespace, bound=several([str(each) for each in lasting])), fix


def _namespace_of(context: Context, address: str, points: set[str]) -> NamespaceChanges | None:
    """The namespace that has the address and one of the points; None if there are several."""
    owners = [
        namespace
        for namespace in namespaces(context)
        if points & set(namespace.points)
        and any(address in interface.addresses for interface in namespace.interfaces.values())
    ]
    return owners[0] if len(owners) == 1 else None
