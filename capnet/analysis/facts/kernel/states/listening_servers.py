"""Programs that listen on ports of a namespace, and what they tell of a port that refuses.

Input: `ss -ltn` and `ss -lun` of both moments, the address and port that refuse, the points that show it. Output: the
end of a sentence, and what to do. Method: the namespace is the one that has such a point and the address itself; a port
is served if a program listens on it at this address or at all of its family. Silence: both moments show that a program
does, or the output is not there. Limits: what listened between both moments alone is not known.
"""

from __future__ import annotations

from collections.abc import Iterable

from capnet.analysis.core.context import Context
from capnet.analysis.core.wording import Text, endpoint_text, several
from capnet.analysis.facts.kernel.namespaces import NamespaceChanges, namespaces
from capnet.analysis.facts.kernel.states.listeners import Listener
from capnet.quick_tuple import NamedTuple
from capnet.topology import PublishedPort
from capnet.topology.lookup import DOCKER_DNS, endpoints

FIRST_CLIENT_PORT = 32768  # net.ipv4.ip_local_port_range of Linux
MAX_LISTED = 4  # programs; of more, the one that is meant is not clear

ELSEWHERE = Text(
    en="; a program listens on that port in {namespace}, but at {bound} only",
    zh="；{namespace} 中有程序监听该端口，但只监听 {bound}",
)
FIX_ELSEWHERE = Text(
    en="let the server in {namespace} listen on {everywhere}, all addresses, in place of {bound}",
    zh="让 {namespace} 中的服务器监听 {everywhere}（所有地址），而不是 {bound}",
)
OTHER_PORTS = Text(
    en="; nothing listens on it in {namespace}, where programs listen on {bound}",
    zh="；{namespace} 中没有程序监听该端口，监听的是 {bound}",
)
FIX_PUBLISH = Text(
    en="publish the port that it listens on: `-p {begin}:{port}{suffix}` in place of `-p {begin}:{inside}{suffix}`; or "
    "let the server listen on {inside}",
    zh="发布它所监听的端口：用 `-p {begin}:{port}{suffix}` 代替 `-p {begin}:{inside}{suffix}`；或让服务器监听 {inside}",
)
FIX_OTHER_PORTS = Text(
    en="ask for a port that it listens on, or start the server that is missing",
    zh="访问它所监听的端口，或启动缺少的服务器",
)
NOTHING = Text(
    en="; no program listens on any {proto} port in {namespace}",
    zh="；{namespace} 中没有程序监听任何 {proto} 端口",
)
NOT_THIS = Text(
    en="; no program listens on it in {namespace}",
    zh="；{namespace} 中没有程序监听该端口",
)
FIX_NOTHING = Text(
    en="start the server in {namespace}; its log says why it does not listen",
    zh="启动 {namespace} 中的服务器；它的日志说明它为何没有监听",
)
STARTED = Text(
    en="; in {namespace} no program listened on it when the capture began, and one did when it ended: it was starting",
    zh="；{namespace} 中抓包开始时没有程序监听该端口，结束时有：服务器当时正在启动",
)
FIX_STARTED = Text(
    en="let clients try again until the server listens (in Compose, a health check and `depends_on` with `condition: "
    "service_healthy`)",
    zh="让客户端重试直到服务器开始监听（在 Compose 中使用健康检查，并在 `depends_on` 中写 `condition: "
    "service_healthy`）",
)
ENDED = Text(
    en="; in {namespace} a program listened on it when the capture began, and none did when it ended",
    zh="；{namespace} 中抓包开始时有程序监听该端口，结束时没有",
)
FIX_ENDED = Text(
    en="look at the log of the server in {namespace} for why it ended, and start it again",
    zh="查看 {namespace} 中服务器的日志，了解它为何结束，并重新启动它",
)


class ListeningInstead(NamedTuple):
    """What listens where a port refuses: the end of a sentence, what to do, and facts."""

    says: str
    fix: str
    facts: dict[str, object]


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
        says, fix = (STARTED, FIX_STARTED) if is_served else (ENDED, FIX_ENDED)
        return ListeningInstead(says.fill(namespace=namespace.name), fix.fill(namespace=namespace.name), facts)
    published = _published(context, proto, address, port)
    return ListeningInstead(*_instead(namespace.name, proto, address, port, lasting, published), facts)


def _is_server(proto: str, listener: Listener) -> bool:
    """Of UDP, a socket of a client looks like one that listens."""
    return proto == "tcp" or listener.port < FIRST_CLIENT_PORT


def _published(context: Context, proto: str, address: str, port: int) -> PublishedPort | None:
    """The port of the host that leads to this one."""
    published = (
        each
        for container, endpoint in (endpoints(context.topology) if context.topology else ())
        if address in {own.partition("/")[0] for own in endpoint.addresses}
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
    if not lasting:
        return NOTHING.fill(namespace=namespace, proto=proto.upper()), FIX_NOTHING.fill(namespace=namespace)
    if len(lasting) > MAX_LISTED:
        return NOT_THIS.fill(namespace=namespace), FIX_NOTHING.fill(namespace=namespace)
    ports = sorted({each.port for each in lasting})
    fix = FIX_OTHER_PORTS.fill()
    if published and len(ports) == 1:
        suffix = "" if proto == "tcp" else f"/{proto}"
        is_any = published.host_ip in ("", "0.0.0.0", "::")
        begin = published.host_port if is_any else endpoint_text(published.host_ip, published.host_port)
        fix = FIX_PUBLISH.fill(begin=str(begin), port=ports[0], inside=port, suffix=suffix)
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
