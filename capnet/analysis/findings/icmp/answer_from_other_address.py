"""answer-from-other-address: a server answers UDP from another address than the one that was asked.

Looks at: ICMP "port unreachable" with which a client refuses a datagram that comes from the port it asked, but from
another address, while its question to the address it asked has no answer (`facts.nat.refused_answers`). A question to
a group (LLMNR, mDNS, SSDP) is answered from other addresses by design. Where the question was translated on its way,
and the answer was not, it is `answer-not-translated`.
Says: whom the client asked, from where the answer came, and how often it was refused; by the topology, for which
container the port is published.
Wrong when: two servers are asked from the same port and one of them answers late.
Fix: let the server listen on the address that is asked, not on 0.0.0.0: the kernel answers from the address of the
interface that it sends from. So does docker-proxy, which serves a published port for containers of the same host:
publish the port at that address.
Verify: `ss -lun` in the server's network namespace shows the address that it listens on.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.wording import Text, endpoint_text, finding_name, several
from capnet.analysis.facts.icmp_errors import first_evidence
from capnet.analysis.facts.nat.refused_answers import RefusedAnswer, refused_answers
from capnet.topology import Container, PublishedPort
from capnet.topology.port_lookup import is_on_all_addresses

NAME = finding_name(__name__)
LEVELS = ("error",)
SCENARIO = "fault answer-from-other-address"
WITNESS = "pcaps/bridge-user-defined.pcapng"  # a name server whose answers come from another port, translated back
EXPLAINS = ("dns-failure",)

PAGE_ZH = """服务器用另一个地址应答 UDP，而不是被请求的地址。

检查：客户端用 ICMP “port unreachable” 拒绝数据报，该数据报来自它所请求的端口，但来自另一个地址；而它对原地址的请求
没有应答（`facts.nat.refused_answers`）。对组地址的请求（LLMNR、mDNS、SSDP）本来就由其他地址应答。如果请求在途中
经过了地址转换而应答没有，见 `answer-not-translated`。
结论：客户端请求了谁，应答来自哪里，被拒绝多少次；按拓扑，该端口为哪个容器发布。
误判：从同一端口请求了两台服务器，其中一台应答较晚。
处理：让服务器监听被请求的地址，而不是 0.0.0.0：内核用发送接口的地址应答。为同一主机上的容器提供映射端口的
docker-proxy 也是这样：在该地址上发布端口。
验证：在服务器的网络命名空间中 `ss -lun` 显示它监听的地址。
"""

SAYS = Text(
    en="{clients} asked {service}, and the answer came from {answered}: refused as 'port unreachable', {count:time}",
    zh="{clients} 请求 {service}，而应答来自 {answered}：被客户端以“port unreachable”拒绝 {count} 次",
)
FIX = Text(
    en="let the server listen on {asked} instead of 0.0.0.0, so that it answers from the address that is asked",
    zh="让服务器监听 {asked}，而不是 0.0.0.0，使它用被请求的地址应答",
)
PUBLISHED = Text(
    en="; the port is published for container {container}, and docker-proxy answers from the address nearest to the "
    "client",
    zh="；该端口为容器 {container} 发布，而 docker-proxy 用离客户端最近的地址应答",
)
FIX_PUBLISHED = Text(
    en="publish it at the address that is asked: `-p {service}:{inside}/udp` in place of "
    "`-p {port}:{inside}/udp`; or put both containers on one network and ask for {container} by its name",
    zh="在被请求的地址上发布：用 `-p {service}:{inside}/udp` 代替 `-p {port}:{inside}/udp`；"
    "或让两个容器在同一个网络上，用名称访问 {container}",
)


def diagnose(context: Context) -> list[Finding]:
    return [_finding(context, refused) for refused in refused_answers(context) if not refused.is_translated]


def _finding(context: Context, of: RefusedAnswer) -> Finding:
    container, published = _published(context, of) or (None, None)
    says = PUBLISHED.fill(container=container.name) if container else ""
    service, fix = endpoint_text(of.asked, of.port), FIX.fill(asked=of.asked)
    if container and published:
        inside = published.container_port
        fix = FIX_PUBLISHED.fill(service=service, port=of.port, inside=inside, container=container.name)
    return Finding(
        NAME,
        "error",
        SAYS.fill(clients=several(of.clients), service=service, answered=of.answered, count=of.refusals)
        + says,
        fix,
        {
            "asked": of.asked, "port": of.port, "answered_from": of.answered, "clients": of.clients[:MAX_EVIDENCE],
            "refused": of.refusals, **({"container": container.name} if container else {}),
        },
        first_evidence(of.errors),
    )  # fmt: skip


def _published(context: Context, of: RefusedAnswer) -> tuple[Container, PublishedPort] | None:
    """The container for which the host that has both addresses publishes the port, at all of its addresses."""
    topology = context.topology
    owners: dict[str, set[str]] = {of.asked: set(), of.answered: set()}
    for host, address, _ in topology.addresses() if topology else ():
        owners.get(address, set()).add(host or "")
    hosts = owners[of.asked] & owners[of.answered]
    for container in topology.containers if topology else ():
        for port in container.ports:
            is_it = port.proto == "udp" and port.host_port == of.port and is_on_all_addresses(port)
            if is_it and container.host in hosts:
                return container, port
    return None
