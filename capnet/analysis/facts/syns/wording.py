"""The sentences about SYNs that nothing answers: where they end, what the server does answer, and what to do."""

from __future__ import annotations

from typing import Literal

from capnet.analysis.core.wording import Text
from capnet.analysis.facts.syns.other_answers import Kind

SAYS = Text(
    en="{syns:SYN} of {clients} to {servers}{translated} got no answer; {syns:it was|they were} last seen at "
    "{point}{place}; {shown}",
    zh="{clients} 到 {servers}{translated} 的 {syns} 个 SYN 没有应答；最后见于 {point}{place}；{shown}",
)
SAYS_OF_ONE_DIRECTION = Text(
    en="{syns:SYN} of {clients} to {servers}{translated} were sent again, so none was accepted; they were last seen "
    "at {point}{place}; {shown}",
    zh="{clients} 到 {servers}{translated} 的 {syns} 个 SYN 被重发，即没有一个被接受；最后见于 {point}{place}；{shown}",
)
TRANSLATED = Text(en=", which DNAT sends to {backends},", zh="（DNAT 转换到 {backends}）")
PORTS = Text(en="ports {ports} of {address}", zh="{address} 的端口 {ports}")
AT_SERVER = Text(en=", the server's own interface", zh="，即服务器自己的接口")
AT_HOST = {
    "received": Text(en=", whose host received them", zh="，该主机收到了它们"),
    "sent": Text(en=", whose host sent them", zh="，该主机发出了它们"),
}

# What the server does answer, by `OtherAnswer.kind`.
ANSWERS: dict[Kind, Text] = {
    "meanwhile": Text(
        en="the server accepted {accepted:other connection} before and since",
        zh="该服务器此前和此后接受了另外 {accepted} 个连接",
    ),
    "before": Text(
        en="the server accepted {accepted:connection} before, and none since",
        zh="该服务器此前接受了 {accepted} 个连接，此后没有",
    ),
    "others": Text(
        en="the server accepted {accepted:connection} of {others}", zh="该服务器接受了 {others} 的 {accepted} 个连接"
    ),
    "port": Text(en="the server accepts connections to port {other}", zh="该服务器接受到端口 {other} 的连接"),
    "refusal": Text(
        en="the server refuses connections to port {other}, so it is up",
        zh="该服务器拒绝到端口 {other} 的连接，所以它在线",
    ),
    "refused": Text(
        en="the server refused connections to this port before, and answers none since",
        zh="该服务器此前拒绝到该端口的连接，此后不再应答",
    ),
    "gone": Text(
        en="the server answered before, has sent nothing since, and questions for its MAC stay unanswered: it is down",
        zh="该服务器此前有应答，此后什么也没有发送，对其 MAC 的询问也没有应答：它已停机",
    ),
    "connects": Text(
        en="the server connects to {others} itself, and that works: it is up, and packets pass both ways",
        zh="该服务器自己连接 {others} 并且成功：它在线，双向都通",
    ),
    "later": Text(
        en="the server sent nothing until then, and afterwards connected to {others} itself",
        zh="该服务器此前没有发送过任何包，之后自己连接了 {others}",
    ),
    "ping": Text(en="the server answers pings", zh="该服务器应答 ping"),
    "nothing": Text(en="the server answered nothing else either", zh="该服务器对其他请求也没有应答"),
}
NONE_ANSWERS = Text(en="none of these servers answered anything else", zh="这些服务器对其他请求也都没有应答")
ONE_DIRECTION = Text(
    en="only their direction is recorded there, which would not show a refusal",
    zh="那里只记录了这个方向，即使被拒绝也看不到",
)

# How accepted SYNs differ from these: by the field of `Differences`, in the order of the sentence.
DIFFERENCES = {
    "macs": Text(
        en=", which were sent to {macs}, these to {mac}: by another gateway",
        zh="，它们发往 {macs}，而这些发往 {mac}：网关不同",
    ),
    "exits": Text(
        en=", which left by {exits}, these by {point}: by another interface",
        zh="，它们从 {exits} 离开，而这些从 {point} 离开：接口不同",
    ),
    "timestamps": Text(
        en="; the TCP timestamps of those are ahead, and these are behind them",
        zh="；那些连接的 TCP 时间戳在前，而这些落在其后",
    ),
    "nodes": Text(
        en="; {nodes} {count:accepts|accept} connections to the same port",
        zh="；{nodes}（{count} 个地址）接受到同一端口的连接",
    ),
    "ipv4": Text(
        en="; each time the client then connected to {addresses} by IPv4: IPv6 does not work",
        zh="；每次客户端随后都用 IPv4 连接到 {addresses}：IPv6 不通",
    ),
}
NOT_AT_EXIT = Text(
    en="; they are not seen at {exit}, by which other packets of {client} leave",
    zh="；它们没有出现在 {exit}，而 {client} 的其他包从那里离开",
)

UNTRANSLATED = Text(
    en="; {router} forwards them to {next_hop} with the private address of {client}",
    zh="；{router} 以 {client} 的私有地址把它们转发给 {next_hop}",
)
FORWARDED = Text(en="; {router} forwards them to {next_hop}", zh="；{router} 把它们转发给 {next_hop}")

# What to do: by the difference that says it, else by where to look.
Fix = Literal[
    "macs", "exits", "ipv4", "timestamps", "nodes",
    "on host", "at backend", "on the way", "unlike others", "went down", "not known", "way out", "before exit",
    "past host", "not yet up", "next hop", "next hop of node", "masquerade", "both directions",
]  # fmt: skip
PAST_HOST = Text(
    en="; they leave by the interface by which they came, and {client} is a neighbour of {server}, whose answers go to "
    "it directly, past the host that translates",
    zh="；它们从进来的接口离开，而 {client} 与 {server} 在同一网络，{server} 的应答会绕过做转换的主机直接发给它",
)
FIXES: dict[Fix, Text] = {
    "macs": Text(
        en="compare the routes (`ip route get {server}` at {client} and at those who are accepted): {mac} does not "
        "pass these packets on, or their answers come back another way",
        zh="比较路由（在 {client} 和被接受的客户端上 `ip route get {server}`）：{mac} 没有转发这些包，或应答走了别的路",
    ),
    "exits": Text(
        en="look behind {point}: its next hop does not pass these packets on, or is the wrong one. On that host, `ip "
        "route get {server} from {client} iif IFACE`, `ip rule` and several next hops in `ip route show` choose "
        "it; take a dead one out",
        zh="检查 {point} 后面：它的下一跳没有转发这些包，或者选错了。在该主机上由 `ip route get {server} from {client} "
        "iif IFACE`、`ip rule` 和 `ip route show` 中的多个下一跳决定；去掉失效的下一跳",
    ),
    "ipv4": Text(
        en="repair IPv6 between {client} and {server} (route, forwarding, ip6tables), or take its AAAA record away: "
        "clients that prefer IPv6 wait before each connection",
        zh="修复 {client} 和 {server} 之间的 IPv6（路由、转发、ip6tables），或去掉它的 AAAA 记录：优先使用 IPv6 的客户"
        "端每次连接前都要等待",
    ),
    "timestamps": Text(
        en="the likely cause is PAWS for each address: several hosts behind {client}, a NAT, whose clocks differ, and "
        "a server with net.ipv4.tcp_tw_recycle=1 (Linux before 4.12): set it to 0; `netstat -s | grep -i 'because "
        "of time'` on {server} counts the drops",
        zh="可能的原因是按地址的 PAWS：NAT {client} 后面有几台时钟不同的主机，而服务器设置了 net.ipv4.tcp_tw_recycle=1"
        "（Linux 4.12 之前）：请设为 0；{server} 上 `netstat -s | grep -i 'because of time'` 显示丢弃数",
    ),
    "nodes": Text(
        en="if this is a NodePort of Kubernetes: with externalTrafficPolicy Local, a node without a pod of the service "
        "drops what comes to it. Send to {other}, run a pod on this node, or set Cluster (`kubectl get service -A -o "
        "wide`); else look for a rule of this node that drops them (`iptables -vnL INPUT`)",
        zh="如果这是 Kubernetes 的 NodePort：externalTrafficPolicy 为 Local 时，没有该服务 Pod 的节点会丢弃到来的包。"
        "请发往 {other}，或在该节点上运行 Pod，或改为 Cluster（`kubectl get service -A -o wide`）；否则查找该节点上"
        "丢弃它们的规则（`iptables -vnL INPUT`）",
    ),
    "on host": Text(
        en="look for what drops them on that host: a rule (`iptables -vnL` and `nft list ruleset` count: INPUT, for a "
        "container FORWARD and DOCKER-USER), or no way back (`ip route get {client}`). A port where nothing "
        "listens would be refused",
        zh="在那台主机上查找是什么丢弃了它们：规则（`iptables -vnL` 和 `nft list ruleset` 有计数：INPUT，对容器是 "
        "FORWARD 和 DOCKER-USER），或没有回程路由（`ip route get {client}`）。没有程序监听的端口会拒绝连接",
    ),
    "past host": Text(
        en="let the answers come back by the host that translates: `iptables -t nat -A POSTROUTING -s NETWORK -d "
        "{server} -j MASQUERADE` on it (NAT loopback, hairpin NAT); or let {client} ask {server} itself (its name has "
        "that address inside)",
        zh="让应答经过做转换的主机返回：在该主机上 `iptables -t nat -A POSTROUTING -s NETWORK -d {server} -j "
        "MASQUERADE`（NAT loopback、hairpin NAT）；或让 {client} 直接访问 {server}（在内部把名称解析为该地址）",
    ),
    "at backend": Text(
        en="look at {server} itself, behind {point}: a rule in the container (`nsenter -t PID -n iptables -vnL` "
        "counts), a filter of the bridge, or no way back to {client}. A port where nothing listens would be refused",
        zh="检查 {point} 后面的 {server} 本身：容器内的规则（`nsenter -t PID -n iptables -vnL` 有计数）、网桥的过滤，"
        "或没有返回 {client} 的路由。没有程序监听的端口会拒绝连接",
    ),
    "on the way": Text(
        en="look for a filter at the server or on the way that drops this port (`iptables -vnL`, security groups). A "
        "port where nothing listens would be refused",
        zh="在服务器上或途中查找丢弃该端口的过滤规则（`iptables -vnL`、安全组）。没有程序监听的端口会拒绝连接",
    ),
    "unlike others": Text(
        en="look for what treats these packets unlike those that were accepted: a rule by source address, the server's "
        "route back to {client}, rp_filter, a full listen queue, or one backend of several behind this address "
        "that is down",
        zh="查找这些包与被接受的包在处理上有何不同：按源地址的规则、服务器到 {client} 的回程路由、rp_filter、"
        "满了的监听队列，或该地址后面多个后端中有一个停机",
    ),
    "went down": Text(
        en="check that the server still runs and still has this address, and what was changed at that time",
        zh="检查服务器是否还在运行、是否还有该地址，以及当时改动了什么",
    ),
    "not known": Text(
        en="check that {server} is up, and the routes both ways; capture at the server or at the next hop to see "
        "whether the SYNs arrive",
        zh="检查 {server} 是否在线，以及双向路由；在服务器上或下一跳抓包，看 SYN 是否到达",
    ),
    "both directions": Text(
        en="capture both directions first, without `-Q out` and at both halves of a tap. Where {server} refuses, start "
        "the program; where it is silent, check that it is up, the routes both ways and the filters",
        zh="先抓取两个方向（不用 `-Q out`，分光器的两半都抓）。如果 {server} 拒绝连接，启动该程序；如果它不应答，检查它"
        "是否在线、双向路由和过滤规则",
    ),
    "not yet up": Text(
        en="{server} was likely not up yet, or had no route to {client}: check that it accepts SYNs since then; if "
        "not, look for a filter of this port there (`iptables -vnL`, `nft list ruleset`)",
        zh="{server} 当时可能还没有启动，或还没有到 {client} 的路由：检查它此后是否接受 SYN；如果不接受，在那里查找对该"
        "端口的过滤（`iptables -vnL`、`nft list ruleset`）",
    ),
    "masquerade": Text(
        en="let {router} translate them to its own address, with which it is accepted: `iptables -t nat -S "
        "POSTROUTING` should have a MASQUERADE rule for the network of {client} (ipMasq of the CNI plugin, "
        "ip-masq-agent; Docker writes its own when it starts). Else {next_hop} has to route and to translate that "
        "network",
        zh="让 {router} 把它们转换为自己的地址（用该地址可以连接）：`iptables -t nat -S POSTROUTING` 中应有针对 "
        "{client} 所在网络的 MASQUERADE 规则（CNI 插件的 ipMasq、ip-masq-agent；Docker 启动时自己写入）。否则 "
        "{next_hop} 必须路由并转换该网络",
    ),
    "next hop": Text(
        en="check on {router} whether {next_hop} is the right next hop to {server} (`ip route get {server}`): the "
        "route to its network may be missing or wrong; then that {server} is up, and the routes both ways",
        zh="在 {router} 上检查到 {server} 的下一跳是否应为 {next_hop}（`ip route get {server}`）：到其网络的路由可能缺"
        "失或错误；然后检查 {server} 是否在线，以及双向路由",
    ),
    "next hop of node": Text(
        en="check on {router} whether {next_hop} is the right next hop to {server} (`ip route get {server}`): the "
        "route to the pods of another node may be missing or wrong. The cluster IP of a service should not leave the "
        "node: then kube-proxy has no rule for it there (`iptables-save | grep {server}`)",
        zh="在 {router} 上检查到 {server} 的下一跳是否应为 {next_hop}（`ip route get {server}`）：到另一个节点的 Pod 的"
        "路由可能缺失或错误。服务的 ClusterIP 不应离开节点：若是如此，kube-proxy 在那里没有它的规则"
        "（`iptables-save | grep {server}`）",
    ),
    "way out": Text(
        en="check the way out of {client}, which all {count} share: its gateway and firewall (`ip route get {server}`)",
        zh="检查 {client} 的出口，所有 {count} 个服务器共用它：网关和防火墙（`ip route get {server}`）",
    ),
    "before exit": Text(
        en="look on that host between {point} and {exit} first: a route that drops them or leads elsewhere (`ip route "
        "get {server}`, `ip rule`), a rule (`iptables -vnL FORWARD`, `nft list ruleset`); then check that {server} "
        "is up",
        zh="先在该主机上检查 {point} 和 {exit} 之间：丢弃它们或指向别处的路由（`ip route get {server}`、`ip rule`）、"
        "规则（`iptables -vnL FORWARD`、`nft list ruleset`）；然后检查 {server} 是否在线",
    ),
}
