"""Sentences about programs that listen, or do not, where a port refuses."""

from __future__ import annotations

from capnet.analysis.core.wording import Text

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
UNPUBLISHED = Text(
    en="; {container} listens on that port, which it does not publish on {namespace}",
    zh="；{container} 监听该端口，但没有在 {namespace} 上发布它",
)
FIX_UNPUBLISHED = Text(
    en="publish the port of {container}: `-p {port}:{port}{suffix}` (in Compose, `ports:`; `expose:` publishes "
    "nothing)",
    zh="发布 {container} 的端口：`-p {port}:{port}{suffix}`（在 Compose 中用 `ports:`；`expose:` 并不发布）",
)
OTHER_CONTAINER = Text(
    en="; {container} listens on that port",
    zh="；{container} 监听该端口",
)
FIX_OTHER_CONTAINER = Text(
    en="if {container} is meant, ask for it by its name, and look the name up again: a container that is started again "
    "may have another address; else start the server in {namespace}",
    zh="如果要访问的是 {container}，请用名称并重新解析：重新启动的容器可能换了地址；否则启动 {namespace} 中的服务器",
)
FIX_NOTHING_ON_HOST = Text(
    en="publish the port of the container that serves it (`-p {port}:PORT{suffix}`), or start the server on "
    "{namespace}",
    zh="发布提供服务的容器的端口（`-p {port}:PORT{suffix}`），或在 {namespace} 上启动服务器",
)
NOT_TRANSLATED = Text(
    en="; it is published there for container {container}, and no rule of {namespace} translates it any more",
    zh="；它在那里为容器 {container} 发布，而 {namespace} 上已没有规则转换它",
)
FIX_NOT_TRANSLATED = Text(
    en="{command} writes the rules again; look for what removed them: `iptables -F`, or the reload of a firewall",
    zh="{command} 会重新写入规则；查找是什么删除了它们：`iptables -F`，或防火墙的重新加载",
)
