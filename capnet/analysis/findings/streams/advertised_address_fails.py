"""advertised-address-fails: a server names another address to its clients, and that does not work from there.

Looks at: addresses in answers of Kafka (Metadata), Redis (MOVED, ASK, CLUSTER SLOTS, SHARDS and NODES, Sentinel's
master), MongoDB (`hosts` of hello) and HTTP (Location in a connection's first answer), and what the client does then:
its connections there are refused or get no answer, or DNS does not resolve the name. Not where one of the addresses
works, or is the one that the client asks. Or the address is a loopback one, which means the client itself, and no other
connection shows that it leads to the server.
Says: which server names which address to whom, by which protocol, and how that fails. Of a loopback address, a warning
where the client is a container or tries again and again, else a note; none of HTTP, which proxies pass on.
Wrong when: the server there is only down; or a program at the client forwards the loopback address elsewhere.
Fix: set the address that the server names to one that its clients reach: advertised.listeners of Kafka,
cluster-announce-ip of Redis, members[].host of MongoDB's rs.conf(), the Host header and redirects of a reverse proxy.
Verify: `kcat -b SERVER -L`, `redis-cli -h SERVER CLUSTER SLOTS`, `mongosh SERVER --eval 'db.hello().hosts'` or
`curl -v http://SERVER/` shows the address; `getent hosts NAME` and `nc -zv NAME PORT` at the client try it.
"""

from __future__ import annotations

from collections import Counter

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.wording import Text, endpoint_text, finding_name, several
from capnet.analysis.facts.streams.advertised import (
    LOOPBACK,
    NAME_UNANSWERED,
    NO_SUCH_NAME,
    OWN,
    Advertised,
    advertised,
    is_container,
    may_be_gateway,
)
from capnet.analysis.facts.streams.attempts import ACCEPTED, REFUSED, UNANSWERED, UNREACHABLE
from capnet.wire.addresses import address_value

NAME = finding_name(__name__)
LEVELS = ("warning", "info")
SCENARIO = None  # no scenario has a server that names addresses
WITNESS = "tests/analysis/findings/recorded/redis-announced/srv__eth0.pcap"  # a cluster that names the asked address
EXPLAINS = (
    "arp-unanswered", "connection-refused", "connection-unanswered", "dns-failure", "dns-search-storm",
    "host-unreachable", "retransmissions", "stops-between",
)  # fmt: skip
READS = ("advertised", "dns")

PAGE_ZH = """服务器告诉客户端使用另一个地址，而该地址从客户端那里无法使用。

检查：Kafka（Metadata）、Redis（MOVED、ASK、CLUSTER SLOTS、SHARDS 和 NODES，以及 Sentinel 的主节点）、MongoDB（hello 的
`hosts`）和 HTTP（连接中第一个应答的 Location）应答中的地址，以及客户端随后的行为：到那里的连接被拒绝或无应答，或 DNS
无法解析该名称。不包括其中某个地址可用的情况，也不包括客户端正在访问的地址。或者该地址是环回地址，即客户端自己，而没有
其他连接表明它通向服务器。
结论：哪台服务器通过哪种协议告诉谁使用哪个地址，以及如何失败。对于环回地址，客户端是容器或一再重试时为警告，否则为提示；
不包括 HTTP，因为代理会把它转给自己的客户端。
误判：那里的服务器只是没有运行；或客户端上有程序把环回地址转发到别处。
处理：把服务器给出的地址设为其客户端可以访问的地址：Kafka 的 advertised.listeners、Redis 的 cluster-announce-ip、MongoDB
的 rs.conf() 中的 members[].host、反向代理的 Host 头和重定向设置。
验证：`kcat -b SERVER -L`、`redis-cli -h SERVER CLUSTER SLOTS`、`mongosh SERVER --eval 'db.hello().hosts'` 或
`curl -v http://SERVER/` 会显示该地址；在客户端用 `getent hosts NAME` 和 `nc -zv NAME PORT` 试一试。
"""

SAYS = Text(
    en="{protocol}: {server} tells {clients} to connect to {addresses}, which fails: {outcome}",
    zh="{protocol}：{server} 让 {clients} 连接 {addresses}，而这会失败：{outcome}",
)
SAYS_LOOPBACK = Text(
    en="{protocol}: {server} tells {clients} to connect to {addresses}, which is the client itself there",
    zh="{protocol}：{server} 让 {clients} 连接 {addresses}，而在那里这就是客户端自己",
)
OUTCOMES = {
    REFUSED: Text(en="{count:connection} there {count:is|are} refused", zh="到那里的 {count} 个连接被拒绝"),
    UNANSWERED: Text(en="{count:connection} there {count:gets|get} no answer", zh="到那里的 {count} 个连接无应答"),
    UNREACHABLE: Text(
        en="an ICMP error answers {count:connection} there", zh="到那里的 {count} 个连接得到 ICMP 错误应答"
    ),
    NO_SUCH_NAME: Text(en="DNS answers NXDOMAIN for {names}", zh="DNS 对 {names} 回答 NXDOMAIN"),
    NAME_UNANSWERED: Text(en="its DNS question for {names} gets no answer", zh="它对 {names} 的 DNS 查询无应答"),
}
PROTOCOLS = {
    "http": "HTTP", "kafka": "Kafka", "mongodb": "MongoDB", "redis-cluster": "Redis Cluster",
    "redis-sentinel": "Redis Sentinel",
}  # fmt: skip
FIXES = {
    "kafka": Text(
        en="if the broker runs, let it name an address that {client} reaches, such as {server}: advertised.listeners "
        "(KAFKA_ADVERTISED_LISTENERS); clients inside and outside of the containers' network need a listener each "
        "(`INTERNAL://kafka:29092,EXTERNAL://{server}:9092`)",
        zh="如果 broker 在运行，就让它给出 {client} 可以访问的地址，例如 {server}：advertised.listeners"
        "（KAFKA_ADVERTISED_LISTENERS）；容器网络内外的客户端各需要一个监听器"
        "（`INTERNAL://kafka:29092,EXTERNAL://{server}:9092`）",
    ),
    "redis-cluster": Text(
        en="if the node runs, let it name an address that {client} reaches, such as {server}: cluster-announce-ip, "
        "cluster-announce-port and cluster-announce-bus-port, one published port for each node; or run the client on "
        "the nodes' network",
        zh="如果该节点在运行，就让它给出 {client} 可以访问的地址，例如 {server}：cluster-announce-ip、"
        "cluster-announce-port 和 cluster-announce-bus-port，每个节点发布一个端口；或让客户端在节点所在的网络上运行",
    ),
    "redis-sentinel": Text(
        en="if the master runs, let Sentinel name an address that {client} reaches, such as {server}: "
        "replica-announce-ip and replica-announce-port of Redis, `sentinel announce-ip`, and the address in `sentinel "
        "monitor`",
        zh="如果主节点在运行，就让 Sentinel 给出 {client} 可以访问的地址，例如 {server}：Redis 的 replica-announce-ip "
        "和 replica-announce-port、`sentinel announce-ip` 以及 `sentinel monitor` 中的地址",
    ),
    "mongodb": Text(
        en="if the member runs, let the replica set name an address that {client} reaches, such as {server}: "
        "members[].host of rs.conf(), changed by rs.reconfig(); or let the client connect with directConnection=true",
        zh="如果该成员在运行，就让副本集给出 {client} 可以访问的地址，例如 {server}：rs.conf() 中的 members[].host，用 "
        "rs.reconfig() 修改；或让客户端用 directConnection=true 连接",
    ),
    "http": Text(
        en="let the server make redirects of the address that {client} asks: pass Host and X-Forwarded-Proto on "
        "(`proxy_set_header Host $http_host`), set the application's own URL, or turn its port off (nginx "
        "`port_in_redirect off`, `absolute_redirect off`); or publish the port that it names",
        zh="让服务器用 {client} 所访问的地址生成重定向：传递 Host 和 X-Forwarded-Proto（`proxy_set_header Host "
        "$http_host`），设置应用自己的 URL，或去掉其端口（nginx 的 `port_in_redirect off`、`absolute_redirect off`）；"
        "或发布它给出的端口",
    ),
}
MIN_REPEATED = 3  # connections of a client that get nothing but a loopback address: it goes on trying
MAX_FINDINGS = 20


def diagnose(context: Context) -> list[Finding]:
    by_server: dict[tuple[str, tuple[int, int], int], list[Advertised]] = {}
    for of in _without_working(advertised(context)):
        by_server.setdefault((of.named.protocol, address_value(of.server), of.port), []).append(of)
    findings = []
    for _, of_server in sorted(by_server.items()):
        failing = [of for of in of_server if of.outcome in OUTCOMES]
        loopback = [of for of in of_server if of.outcome == LOOPBACK and not may_be_gateway(context, of.client)]
        repeated = Counter(client for client, _ in {(of.client, of.row) for of in loopback})
        certain = [
            of for of in loopback if repeated[of.client] >= MIN_REPEATED or is_container(context, of.client, of.row)
        ]
        if failing:
            findings.append(
                _finding("warning", SAYS, failing, [of for of in of_server if not of.outcome and of.attempts])
            )
        elif loopback:
            findings.append(_finding("warning" if certain else "info", SAYS_LOOPBACK, certain or loopback, []))
    return findings[:MAX_FINDINGS]


def _without_working(every: list[Advertised]) -> list[Advertised]:
    """Without the addresses that a server names to a client to which one of them works.

    A cluster names all its nodes, of which one may be down; redirects lead to one address each.
    """
    working = {_choice(of) for of in every if of.outcome in (ACCEPTED, OWN)}
    return [of for of in every if _choice(of) not in working]


def _choice(of: Advertised) -> tuple[object, ...]:
    """What is equal for the addresses that a client chooses from."""
    address = (of.named.host, of.named.port) if of.named.protocol == "http" else ()
    return of.named.protocol, of.client, of.server, of.port, *address


def _finding(level: str, says: Text, failing: list[Advertised], pending: list[Advertised]) -> Finding:
    """`pending`: other addresses, of which the capture does not show what becomes."""
    first = failing[0]
    clients = sorted({of.client for of in failing}, key=address_value)
    addresses = list(dict.fromkeys(endpoint_text(of.named.host, of.named.port) for of in failing))
    outcomes = [of for of in OUTCOMES if of in {each.outcome for each in failing}]
    return Finding(
        NAME,
        level,
        says.fill(
            protocol=PROTOCOLS[first.named.protocol], server=endpoint_text(first.server, first.port),
            addresses=several(addresses), clients=several(clients),
            outcome=several([_outcome(failing, of) for of in outcomes]),
        ),
        FIXES[first.named.protocol].fill(client=clients[0], server=first.server),
        {
            "protocol": first.named.protocol, "server": first.server, "port": first.port,
            "clients": clients[:MAX_EVIDENCE], "addresses": addresses[:MAX_EVIDENCE],
            "outcomes": outcomes or [LOOPBACK],
        },
        [frame for of in (*failing, *pending) for frame in of.evidence],
    )  # fmt: skip


def _outcome(failing: list[Advertised], outcome: str) -> str:
    those = [of for of in failing if of.outcome == outcome]
    names = list(dict.fromkeys(of.named.host for of in those))
    return OUTCOMES[outcome].fill(count=len({row for of in those for row in of.attempts}), names=several(names))
