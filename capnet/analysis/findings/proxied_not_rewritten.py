"""proxied-not-rewritten: connections to a published port went through docker-proxy, not through NAT.

Looks at: pairs of connections that carry the same payload (`facts.proxies`).
Says: how many, and to which ports. The container sees the proxy's address as its client.
Wrong when: two applications pass on the same payload, one inside the other.
Fix: set `userland-proxy` to false in daemon.json; connections to the host's own addresses then need hairpin NAT.
Verify: `ss -ltnp | grep docker-proxy` lists no process for the port.
"""

from __future__ import annotations

from capnet import language
from capnet.analysis.core.context import Context
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.wording import Text, finding_name
from capnet.analysis.facts.models.container_signs import shows_containers
from capnet.analysis.facts.proxies import proxy_facts

NAME = finding_name(__name__)
LEVELS = ("info",)
SCENARIO = "bridge-hairpin"
WITNESS = "pcaps/bridge-hairpin-noproxy.pcapng"  # the same connections, translated
EXPLAINS = ()

PAGE_ZH = """到端口映射的连接经过 docker-proxy，而不是 NAT。

检查：承载同样内容的成对连接（`facts.proxies`）。
结论：多少个，到哪些端口。容器看到的客户端是代理的地址。
误判：两个应用一个套一个，传递同样的内容。
处理：在 daemon.json 中把 `userland-proxy` 设为 false；这时到主机自己地址的连接需要 hairpin NAT。
验证：`ss -ltnp | grep docker-proxy` 没有列出该端口的进程。
"""

SINGLE = Text(
    en="1 connection to port {ports} ended at a proxy, which opened another one to the container",
    zh="到端口 {ports} 的 1 个连接终止于代理，由代理另建一个到容器的连接",
)
SEVERAL = Text(
    en="{connections} connections to port {ports} ended at a proxy, which opened others to the container",
    zh="到端口 {ports} 的 {connections} 个连接终止于代理，由代理另建到容器的连接",
)
FIX = Text(
    en="the kernel's DNAT does without it: set `userland-proxy` to false, and mind that the host's own addresses then "
    "need a hairpin",
    zh="不用代理时由内核做目的地址转换：把 `userland-proxy` 设为 false，注意这时主机自己的地址需要 hairpin",
)
ELSEWHERE = Text(
    en="{connections:connection} to port {ports} ended at a proxy, which opened others",
    zh="到端口 {ports} 的 {connections} 个连接终止于代理，由代理另建连接",
)
ELSEWHERE_FIX = Text(en="the server sees the proxy as its client", zh="服务器看到的客户端是代理")


def diagnose(context: Context) -> list[Finding]:
    proxies = proxy_facts(context)
    if not proxies:
        return []
    ports = sorted({proxy.client_side.dport for proxy in proxies if proxy.client_side.dport is not None})
    text, fix = SINGLE if len(proxies) == 1 else SEVERAL, FIX
    if not shows_containers(context):
        text, fix = ELSEWHERE, ELSEWHERE_FIX
    return [
        Finding(
            NAME,
            "info",
            text.fill(connections=len(proxies), ports=language.items(map(str, ports))),
            fix.fill(),
            {"connections": len(proxies), "ports": ports},
            [frame for proxy in proxies for frame in proxy.evidence][:MAX_EVIDENCE],
        )
    ]
